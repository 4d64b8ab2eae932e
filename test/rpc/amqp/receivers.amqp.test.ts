// Receivers that share a queue, that die, crash again and again, are away, or are asked to end: what their callers notice.
import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { deadLetterQueue } from "../../../src/rpc/amqp/names.ts";
import type { Routes } from "../../../src/rpc/carrier.ts";
import { brokerInstalled, sharedBrokerUrl } from "../../amqp/broker.ts";
import { report } from "../../system/conditions.ts";
import { failure } from "../carrier-contract.ts";
import { CarrierService } from "../gen/carrier/v1/carrier_pb.ts";
import { type AmqpLab, carrierName, createAmqpLab, eventually } from "./lab.ts";
import { type Receiver, startReceiver } from "./receiver-process.ts";

let lab: AmqpLab;
const receivers: Receiver[] = [];

beforeEach(() => {
	lab = createAmqpLab();
});
afterEach(async () => {
	await Promise.all(receivers.splice(0).map((receiver) => receiver.kill()));
	await lab.close();
});

async function receiver(behaviour: "serve" | "die before the ack" | "die at work", handlerMs = 0): Promise<Receiver> {
	const started = await startReceiver({ url: sharedBrokerUrl(), namespace: lab.namespace, behaviour, handlerMs });
	receivers.push(started);
	return started;
}

/** Works on one request at a time, however many were handed to it. */
function oneByOne(name: string, workMs: number): Routes {
	let last = Promise.resolve();
	return (router) =>
		router.service(CarrierService, {
			async unary() {
				last = last.then(() => systemClock.sleep(workMs));
				await last;
				return { text: name };
			},
		});
}

async function shareOf(concurrency: number): Promise<{ readonly quick: number; readonly tookMs: number }> {
	const own = createAmqpLab();
	try {
		await own.serve({ routes: oneByOne("quick", 2), concurrency });
		await own.serve({ routes: oneByOne("slow", 40), concurrency });
		const { client, rpc } = own.client();
		await rpc.ready();
		const startMs = performance.now();
		const answers = await Promise.all(Array.from({ length: 100 }, () => client.unary({})));
		return { quick: answers.filter(({ text }) => text === "quick").length, tookMs: performance.now() - startMs };
	} finally {
		await own.close();
	}
}

describe.skipIf(!brokerInstalled)("receivers", () => {
	test("R3 share a queue by their speed when they take one request at a time, and by half when they take all", async () => {
		const [one, many] = [await shareOf(1), await shareOf(256)];
		report("100 calls, one receiver that takes 2 ms and one that takes 40 ms");
		report("prefetch | quick | slow | took");
		for (const [prefetch, { quick, tookMs }] of [["1", one] as const, ["256", many] as const])
			report(`${prefetch.padEnd(8)} | ${quick} | ${100 - quick} | ${(tookMs / 1000).toFixed(2)} s`);
		expect(many.quick).toBe(50);
		// How much more depends on the machine: the broker's own share of each turn is the same for both.
		expect(one.quick).toBeGreaterThan(55);
	});

	test("R4 one that is killed between its answer and its ack has the request answered again, and the caller hears it once", async () => {
		const dying = await receiver("die before the ack");
		const { client, rpc } = lab.client();
		expect((await client.unary({ text: "answered" })).text).toBe(`answered by ${dying.pid}`);
		await dying.ended;
		let served = 0;
		const { server } = await lab.serve({
			routes: (router) =>
				router.service(CarrierService, {
					unary({ text }) {
						served++;
						return { text };
					},
				}),
		});
		await eventually(() => rpc.counters.late === 1);
		expect(served).toBe(1);
		expect(server.counters).toMatchObject({ requests: 1, redelivered: 1 });
		expect((await client.unary({ text: "the next" })).text).toBe("the next");
		expect(rpc.counters.late).toBe(1);
	});

	test("R5 a request that comes again while or after it is served has one effect, and its answer is sent again", async () => {
		const begun: string[] = [];
		const gate = Promise.withResolvers<void>();
		const side = await lab.serve({
			routes: (router) =>
				router.service(CarrierService, {
					async unary({ text }) {
						begun.push(text);
						await gate.promise;
						return { text };
					},
				}),
		});
		const { client, rpc } = lab.client();
		const answered = client.unary({ text: "once" });
		await eventually(() => begun.length === 1);
		// The requests' channel is the server's second.
		await side.closeChannel(1);
		await eventually(() => side.server.counters.repeated === 1);
		gate.resolve();
		expect((await answered).text).toBe("once");
		await eventually(() => rpc.counters.late === 1);
		expect(begun).toEqual(["once"]);
		const asked = { headers: { "idempotency-key": "by its key" } };
		await client.unary({ text: "twice" }, asked);
		await client.unary({ text: "twice" }, asked);
		expect(begun).toEqual(["once", "twice"]);
		expect(side.server.counters).toMatchObject({ redelivered: 1, repeated: 2 });
	});

	test("R5 requests of two callers or of two methods are two, however alike these name them", async () => {
		const echo = ({ text }: { readonly text: string }) => ({ text });
		const { server } = await lab.serve({
			routes: (router) => router.service(CarrierService, { unary: echo, again: echo }),
		});
		const asked = { headers: { "idempotency-key": "the same" } };
		for (const text of ["of one", "of the other"]) {
			const { client } = lab.client();
			expect((await client.unary({ text }, asked)).text).toBe(text);
			expect((await client.again({ text: `${text} again` }, asked)).text).toBe(`${text} again`);
		}
		expect(server.counters).toMatchObject({ served: 4, repeated: 0 });
	});

	test("R11 a request that kills whoever takes it is a dead letter after four deliveries", {
		timeout: 60_000,
	}, async () => {
		const given = new AbortController();
		let deaths = 0;
		const first = await receiver("die at work");
		const raw = await lab.raw();
		const { client } = lab.client();
		const call = failure(client.unary({ text: "poison" }, { signal: given.signal }));
		await first.ended;
		for (deaths = 1; deaths < 4; deaths++) await (await receiver("die at work")).ended;
		let dead = await raw.get(deadLetterQueue(lab.namespace));
		await eventually(async () => {
			if (dead === false) dead = await raw.get(deadLetterQueue(lab.namespace));
			return dead !== false;
		});
		given.abort();
		expect((await call).code).toBe(Code.Canceled);
		const headers = (dead as Exclude<typeof dead, false>).properties.headers!;
		expect(headers["x-death"]?.[0]).toMatchObject({ reason: "delivery_limit", queue: lab.queue });
		expect(deaths).toBe(4);
		// The queue goes on without it.
		await receiver("serve");
		expect((await client.unary({ text: "healthy" })).text).toContain("healthy");
	});

	test("R12 with no receiver there a request waits in the broker, and is answered when one is back before the deadline", async () => {
		const routes: Routes = (router) => router.service(CarrierService, { unary: ({ text }) => ({ text }) });
		const before = await lab.serve({ routes });
		const { client, rpc } = lab.client();
		// It is connected now, however busy the machine is.
		await client.unary({ text: "first" });
		await before.server.close(1000);
		const waits = client.unary({ text: "patient" }, { timeoutMs: 10_000 });
		const tooLong = failure(client.unary({ text: "hasty" }, { timeoutMs: 150 }));
		expect((await tooLong).code).toBe(Code.DeadlineExceeded);
		expect(rpc.counters.calls).toBe(3);
		const { server } = await lab.serve({ routes });
		expect((await waits).text).toBe("patient");
		// The one whose deadline had passed was dropped by the broker, or by the receiver's own look at it.
		expect(server.counters.requests - server.counters.expired).toBe(1);
	});

	test("R18 one that is asked to end under load finishes what it has, and no call fails", {
		timeout: 60_000,
	}, async () => {
		const [ending, staying] = [await receiver("serve", 5), await receiver("serve", 5)];
		const { client } = lab.client();
		const by = new Map<string, number>();
		let stopped = false;
		const callers = Array.from({ length: 16 }, async () => {
			while (!stopped) {
				const { text } = await client.unary({ text: "under load" });
				by.set(text, (by.get(text) ?? 0) + 1);
			}
		});
		let streams = 0;
		const streamers = Array.from({ length: 4 }, async () => {
			while (!stopped) {
				let last = 0;
				for await (const { number } of client.count({ to: 20 })) last = number;
				expect(last).toBe(20);
				streams++;
			}
		});
		const all = Promise.all([...callers, ...streamers]);
		const both = [ending, staying].map(({ pid }) => `under load by ${pid}`);
		await Promise.race([all, eventually(() => both.every((who) => (by.get(who) ?? 0) > 50))]);
		const counters = await ending.terminate();
		const after = by.get(both[1]!) ?? 0;
		await Promise.race([all, eventually(() => (by.get(both[1]!) ?? 0) > after + 50)]);
		stopped = true;
		await all;
		report(`SIGTERM under load: ${[...by.values()].join(" + ")} calls, ${streams} streams, none failed`);
		expect(counters).toMatchObject({ callerGone: 0, refused: 0 });
	});
});

describe.skipIf(!brokerInstalled)("a batch", () => {
	test("of requests that wait together begins together", async () => {
		const turns: number[] = [];
		let turn = 0;
		const { server } = await lab.serve({
			batches: { [`/${carrierName}/Unary`]: { sizeMax: 8, waitMs: 5_000 } },
			routes: (router) =>
				router.service(CarrierService, {
					unary({ text }) {
						turns.push(turn);
						queueMicrotask(() => setImmediate(() => turn++));
						return { text };
					},
				}),
		});
		const { client } = lab.client();
		await Promise.all(Array.from({ length: 16 }, () => client.unary({})));
		expect(server.counters.requests).toBe(16);
		expect(turns.slice(0, 8)).toEqual(Array(8).fill(turns[0]));
		expect(turns.slice(8)).toEqual(Array(8).fill(turns[8]));
	});
});
