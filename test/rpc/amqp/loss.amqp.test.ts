// A broker that restarts, closes a channel, or takes no messages: what calls and streams notice. It has a short patience with
// deliveries that nobody acknowledges.
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { type Broker, brokerInstalled, startBroker } from "../../amqp/broker.ts";
import { amqpSettings } from "../../amqp/settings.ts";
import { report } from "../../system/conditions.ts";
import { failure } from "../carrier-contract.ts";
import { createCarrierLab } from "../carrier-service.ts";
import { CarrierService } from "../gen/carrier/v1/carrier_pb.ts";
import { type AmqpLab, closeMsMax, createAmqpLab, eventually, mailboxOf } from "./lab.ts";

const patienceMs = 2_000;
let broker: Broker;
let lab: AmqpLab;

beforeAll(async () => {
	if (!brokerInstalled) return;
	broker = await startBroker({ config: [`consumer_timeout = ${patienceMs}`] });
	// It looks so often for deliveries that wait too long, ms; by default once a minute.
	await broker.ctl("eval", "application:set_env(rabbit, channel_tick_interval, 500).");
}, 90_000);
afterAll(() => broker?.remove());
beforeEach(() => {
	if (brokerInstalled) lab = createAmqpLab(amqpSettings(broker.url));
});
afterEach(() => lab?.close());

/** Its methods are held until they are let go, and it counts how often each was begun. */
function holding() {
	const begun = { unary: 0, again: 0 };
	const gate = Promise.withResolvers<void>();
	const lab = createCarrierLab();
	return {
		begun,
		letGo: gate.resolve,
		routes: (router: Parameters<typeof lab.routes>[0]) =>
			void router.service(CarrierService, {
				async unary({ text }) {
					begun.unary++;
					if (text === "held") await gate.promise;
					return { text };
				},
				async again({ text }) {
					begun.again++;
					await gate.promise;
					return { text };
				},
				async *count(_, { signal }) {
					yield { number: 1 };
					await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
				},
			}),
	};
}

describe.skipIf(!brokerInstalled)("a broker", () => {
	test("that counts acknowledgements does not end a stream that is longer than its patience", {
		timeout: 60_000,
	}, async () => {
		const { routes } = createCarrierLab();
		const { server, connection } = await lab.serve({ routes });
		const { client } = lab.client();
		const given = new AbortController();
		const heard: string[] = [];
		const long = (async function* () {
			for (let n = 0; n < 9; n++) {
				yield { text: String(n) };
				await systemClock.sleep(patienceMs / 2);
			}
		})();
		for await (const { text } of client.echo(long, { signal: given.signal })) heard.push(text);
		expect(heard).toHaveLength(9);
		expect(connection.counters).toMatchObject({ channelsClosed: 0, reconnects: 0 });
		expect(server.counters.redelivered).toBe(0);
	});

	test("R14 that closes a caller's channel alone fails its calls at once, asks again for what may be, and goes on", async () => {
		const held = holding();
		await lab.serve(held);
		const side = lab.client();
		const call = failure(side.client.unary({ text: "held" }));
		const repeatable = side.client.again({ text: "repeatable" });
		const stream = failure(Array.fromAsync(side.client.count({})));
		await eventually(() => held.begun.unary === 1 && held.begun.again === 1);
		const former = mailboxOf(side, lab.namespace);
		await side.closeChannel(0);
		for (const error of [await call, await stream]) {
			expect(error.code).toBe(Code.Unavailable);
			expect(error.rawMessage).toMatch(/^the broker was lost: /);
		}
		held.letGo();
		expect((await repeatable).text).toBe("repeatable");
		expect(held.begun).toEqual({ unary: 1, again: 1 });
		expect(side.rpc.counters.retried).toBe(1);
		expect(side.connection.counters).toMatchObject({ channelsClosed: 1, reconnects: 0 });
		expect((await side.client.unary({ text: "after" })).text).toBe("after");
		const raw = await lab.raw();
		raw.on("error", () => {});
		await expect(raw.checkQueue(former)).rejects.toThrow("404");
	});

	test("R14 that closes a receiver's channel under a call has it answered all the same", async () => {
		const held = holding();
		const side = await lab.serve(held);
		const { client } = lab.client();
		const call = client.unary({ text: "held" });
		await eventually(() => held.begun.unary === 1);
		// Its mailbox, while it tells the caller where it is served; then its requests.
		await side.closeChannel(0);
		await side.closeChannel(1);
		await systemClock.sleep(200);
		held.letGo();
		expect((await call).text).toBe("held");
		expect(held.begun.unary).toBe(1);
	});

	test("R14 that closes a channel again and again is opened one again and again", async () => {
		const { client, ...side } = lab.client();
		await lab.serve(createCarrierLab());
		for (let n = 1; n <= 15; n++) {
			await side.rpc.ready();
			await side.closeChannel(0);
			await eventually(() => side.connection.counters.channelsClosed === n);
		}
		expect((await client.unary({ text: "still" })).text).toBe("still");
	});

	test("R14 that restarts fails calls at once with UNAVAILABLE, finds all declared again, and only what may be is asked again", {
		timeout: 90_000,
	}, async () => {
		const held = holding();
		await lab.serve(held);
		const side = lab.client();
		const failed = Promise.withResolvers<number>();
		const call = failure(side.client.unary({ text: "held" })).then((error) => {
			failed.resolve(performance.now());
			return error;
		});
		const repeatable = side.client.again({ text: "repeatable" });
		const stream = failure(Array.fromAsync(side.client.count({})));
		await eventually(() => held.begun.unary === 1 && held.begun.again === 1);
		const stopMs = performance.now();
		await broker.stop();
		const stoppedMs = performance.now();
		for (const error of [await call, await stream]) expect(error.code).toBe(Code.Unavailable);
		expect((await failed.promise) - stoppedMs).toBeLessThan(1_000);
		const meanwhile = failure(side.client.unary({}, { timeoutMs: 300 }));
		expect((await meanwhile).code).toBe(Code.DeadlineExceeded);
		await broker.start();
		held.letGo();
		expect((await repeatable).text).toBe("repeatable");
		const backMs = performance.now();
		expect((await side.client.unary({ text: "after" })).text).toBe("after");
		report(
			`broker restarted: pending calls failed ${Math.round((await failed.promise) - stopMs)} ms after it was asked to stop; answered again after ${Math.round(backMs - stopMs)} ms`,
		);
		expect(side.rpc.counters.retried).toBe(1);
		// The one that was not repeatable was given out again by the broker, and had one effect.
		expect(held.begun.unary).toBeLessThanOrEqual(2);
	});

	test("R15 that is not there lets the deadline end a call, and closing takes no longer for it", async () => {
		const away = createAmqpLab(amqpSettings("amqp://127.0.0.1:1"));
		const { client } = away.client();
		const startMs = performance.now();
		const calls = [failure(client.unary({}, { timeoutMs: 200 })), failure(client.again({}, { timeoutMs: 200 }))];
		for (const error of await Promise.all(calls)) expect(error.code).toBe(Code.DeadlineExceeded);
		expect(performance.now() - startMs).toBeGreaterThanOrEqual(195);
		const closeMs = performance.now();
		await away.close();
		expect(performance.now() - closeMs).toBeLessThan(closeMsMax);
	});

	test("R15 that takes no messages for now lets the deadline end a call, and takes the next when it is well", {
		timeout: 60_000,
	}, async () => {
		const { server } = await lab.serve(createCarrierLab());
		const { client, rpc } = lab.client();
		const other = createAmqpLab(amqpSettings(broker.url));
		await other.serve(createCarrierLab());
		expect((await client.unary({ text: "before" })).text).toBe("before");
		await broker.ctl("set_vm_memory_high_watermark", "0.000001");
		// It looks at its memory every few seconds, and tells a connection when that one publishes the next message.
		const code = (call: Promise<unknown>) =>
			call.then(
				() => undefined,
				(error) => error.code,
			);
		await eventually(async () => (await code(client.unary({}, { timeoutMs: 500 }))) === Code.DeadlineExceeded);
		await eventually(() => lab.faults.some((fault) => fault.includes("takes no messages")));
		const startMs = performance.now();
		expect((await failure(client.unary({}, { timeoutMs: 200 }))).code).toBe(Code.DeadlineExceeded);
		expect(performance.now() - startMs).toBeLessThan(2_000);
		// Each connection has one more message taken than it may send.
		const another = other.client().client;
		await eventually(async () => (await code(another.unary({}, { timeoutMs: 500 }))) === Code.DeadlineExceeded);
		const pending = failure(another.unary({}));
		const closeMs = performance.now();
		await other.close();
		expect((await pending).code).toBe(Code.Canceled);
		report(`closing while the broker takes nothing: ${Math.round(performance.now() - closeMs)} ms`);
		expect(performance.now() - closeMs).toBeLessThan(20_000);
		await broker.ctl("set_vm_memory_high_watermark", "absolute", "1GB");
		await eventually(
			async () => (await client.unary({ text: "well" }, { timeoutMs: 1_000 }).catch(() => undefined))?.text === "well",
		);
		expect(rpc.counters.calls).toBeGreaterThan(2);
		expect(server.counters.requests).toBeGreaterThan(1);
	});
});
