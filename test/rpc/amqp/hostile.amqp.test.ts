// Messages of ill will by the thousands, while a caller of good will goes on.
import { performance } from "node:perf_hooks";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { requestProperties } from "../../../src/rpc/amqp/frame.ts";
import { deadLetterQueue, newMailbox } from "../../../src/rpc/amqp/names.ts";
import { brokerInstalled } from "../../amqp/broker.ts";
import { liveBytes } from "../../live-bytes.ts";
import { isLong, lengthNote, report } from "../../system/conditions.ts";
import { createCarrierLab } from "../carrier-service.ts";
import { sendHostile } from "./hostile.ts";
import { carrierName, createAmqpLab, eventually, mailboxOf } from "./lab.ts";

const messages = isLong ? 100_000 : 4_000;
/** The sender, the receiver, the caller and the tests' runner share one process. */
const growthMaxMb = 80;
const memoryMb = () => (liveBytes() + process.memoryUsage().external) / 1024 / 1024;

test.skipIf(!brokerInstalled)(
	`${messages} hostile messages (${lengthNote}) end nothing, are all counted, and no call of a healthy caller fails`,
	{ timeout: isLong ? 900_000 : 60_000 },
	async () => {
		const lab = createAmqpLab();
		const serverSide = await lab.serve(createCarrierLab());
		// Requests of the healthy wait behind the hostile ones: that they fail is what must not be.
		const callerSide = lab.client({ bounds: { acceptMaxMs: 60_000 } });
		const { client, rpc } = callerSide;
		await rpc.ready();
		const raw = await lab.raw();
		const own = newMailbox(lab.namespace);
		const victim = `victim-${crypto.randomUUID()}`;
		await raw.assertQueue(own, { exclusive: true, maxLength: 1000 });
		await raw.assertQueue(victim, { exclusive: true });
		const places = {
			namespace: lab.namespace,
			requests: lab.queue,
			mailboxes: [mailboxOf(serverSide, lab.namespace), mailboxOf(callerSide, lab.namespace)] as const,
			own,
			victim,
		};

		let over = false;
		const tookMs: number[] = [];
		let streamed = 0;
		const callers = Array.from({ length: 4 }, async (_, caller) => {
			for (let n = 0; !over; n++) {
				const text = `healthy ${caller} ${n}`;
				const startMs = performance.now();
				expect((await client.unary({ text }, { timeoutMs: 60_000 })).text).toBe(text);
				tookMs.push(performance.now() - startMs);
				const got = await Array.fromAsync(client.count({ to: 5 }, { timeoutMs: 60_000 }));
				expect(got).toHaveLength(5);
				streamed++;
			}
		});
		const healthy = Promise.all(callers);
		const startMs = performance.now();
		const heldMb = memoryMb();
		const sent = await Promise.race([sendHostile(raw, places, messages, 7), healthy.then(() => undefined)]);
		if (sent === undefined) throw new Error("the healthy callers have ended");
		const sentMs = performance.now() - startMs;
		const { counters } = serverSide.server;
		const requests = () => sent.requests + rpc.counters.calls;
		await eventually(() => counters.requests >= sent.requests, 60_000);
		over = true;
		await healthy;

		await eventually(() => counters.requests === requests());
		const became = () =>
			counters.served + counters.expired + counters.unreadable + counters.refused + counters.repeated;
		await eventually(() => became() === requests());
		const { connection: broker } = serverSide;
		await eventually(
			() => broker.counters.delivered === counters.requests + counters.frames + counters.late + counters.malformed,
		);
		await eventually(() => {
			const { frames, late, malformed } = rpc.counters;
			return callerSide.connection.counters.delivered === frames + late + malformed;
		});
		// All that was sent to the caller's mailbox and was not forged well enough for a call: all of it.
		await eventually(() => rpc.counters.late + rpc.counters.malformed === sent.mailboxes[1]);
		expect((await raw.checkQueue(victim)).messageCount).toBe(0);
		const dead = await serverSide.server.queueDepths();
		tookMs.sort((a, b) => a - b);
		const at = (share: number) => tookMs[Math.floor(tookMs.length * share)]?.toFixed(1);
		report(`${sent.requests} requests, ${sent.mailboxes.join(" + ")} frames in ${(sentMs / 1000).toFixed(1)} s`);
		report(`receiver: ${JSON.stringify(counters)}, ${dead[deadLetterQueue(lab.namespace)]} dead letters`);
		report(`caller: ${JSON.stringify(rpc.counters)}`);
		report(
			`healthy: ${tookMs.length} calls p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(0.9999)} ms; ${streamed} streams`,
		);
		const grownMb = memoryMb() - heldMb;
		report(`memory held when all is over: ${grownMb.toFixed(0)} MB more`);
		expect(grownMb).toBeLessThan(growthMaxMb);
		for (const side of [serverSide, callerSide])
			expect(side.connection.counters).toMatchObject({ reconnects: 0, channelsClosed: 0 });
		expect(lab.faults).toEqual([]);
		expect((await client.unary({ text: "after it all" })).text).toBe("after it all");
		const given = new AbortController();
		given.abort();
		await expect(client.unary({}, { signal: given.signal })).rejects.toMatchObject({ code: Code.Canceled });
		await lab.close();
	},
);

test.skipIf(!brokerInstalled)(
	"a table that is nested as deeply as one can be sent ends no process, and the queue goes on",
	async () => {
		const lab = createAmqpLab();
		const { server } = await lab.serve(createCarrierLab());
		const raw = await lab.raw();
		let nested: Record<string, unknown> = {};
		for (let depth = 0; depth < 2_000; depth++) nested = { n: nested };
		const properties = requestProperties(
			{
				path: `/${carrierName}/Unary`,
				call: "deep",
				replyTo: newMailbox(lab.namespace),
				caller: "hostile",
				requestId: "deep",
				header: new Headers(),
				body: new Uint8Array(),
			},
			undefined,
		);
		raw.sendToQueue(lab.queue, Buffer.alloc(0), { ...properties, headers: { ...properties.headers, header: nested } });
		await raw.waitForConfirms();
		expect((await lab.client().client.unary({ text: "after it" })).text).toBe("after it");
		expect(server.counters.unreadable).toBe(1);
		await lab.close();
	},
);
