// Streams over a real broker: their order, gaps in it, their flow, and both of their ends going away.
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import type { ConfirmChannel, MessageProperties } from "amqplib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Frame, frameProperties } from "../../../src/rpc/amqp/frame.ts";
import { newMailbox } from "../../../src/rpc/amqp/names.ts";
import { brokerInstalled } from "../../amqp/broker.ts";
import { report } from "../../system/conditions.ts";
import { failure } from "../carrier-contract.ts";
import { createCarrierLab } from "../carrier-service.ts";
import { CarrierService, CountResponseSchema } from "../gen/carrier/v1/carrier_pb.ts";
import { type AmqpLab, createAmqpLab, eventually } from "./lab.ts";

let lab: AmqpLab;
beforeEach(() => {
	lab = createAmqpLab();
});
afterEach(() => lab.close());

/** A server of streams that is played by hand: `play` is given what sends frames to the caller, from one of two mailboxes. */
async function byHand(play: (send: (frame: Omit<Frame, "call">, from?: 0 | 1) => void) => void): Promise<{
	readonly raw: ConfirmChannel;
	/** What the caller has sent to the mailboxes, by kind. */
	readonly heard: readonly (readonly string[])[];
}> {
	const raw = await lab.raw();
	await raw.assertQueue(lab.queue);
	const mailboxes = [newMailbox(lab.namespace), newMailbox(lab.namespace)];
	const heard: string[][] = [[], []];
	for (const [i, mailbox] of mailboxes.entries()) {
		await raw.assertQueue(mailbox, { exclusive: true });
		await raw.consume(mailbox, (message) => void heard[i]!.push(message!.properties.type), { noAck: true });
	}
	await raw.consume(
		lab.queue,
		(message) => {
			const { replyTo, correlationId }: MessageProperties = message!.properties;
			play((frame, from = 0) =>
				raw.sendToQueue(
					replyTo,
					Buffer.from(frame.body ?? []),
					frameProperties({ ...frame, call: correlationId }, mailboxes[from]),
				),
			);
		},
		{ noAck: true },
	);
	return { raw, heard };
}

const head = {
	kind: "head",
	sequence: 0,
	status: 200,
	header: new Headers({ "content-type": "application/connect+proto" }),
} as const;
const data = (sequence: number) => ({
	kind: "data" as const,
	sequence,
	body: encodeEnvelope(0, toBinary(CountResponseSchema, create(CountResponseSchema, { number: sequence }))),
});

async function collect(messages: AsyncIterable<{ number: number }>, into: number[] = []): Promise<number[]> {
	for await (const { number } of messages) into.push(number);
	return into;
}

describe.skipIf(!brokerInstalled)("R17 a stream", () => {
	test("R17 of many messages arrives whole and in order, many streams at a time", { timeout: 60_000 }, async () => {
		await lab.serve(createCarrierLab());
		const { client, rpc } = lab.client();
		const [streams, messages] = [24, 2_000];
		const startMs = performance.now();
		const all = await Promise.all(Array.from({ length: streams }, () => collect(client.count({ to: messages }))));
		const perS = (streams * messages) / ((performance.now() - startMs) / 1000);
		report(`${streams} streams of ${messages} messages: ${Math.round(perS)} messages/s`);
		for (const got of all) expect(got).toEqual(Array.from({ length: messages }, (_, i) => i + 1));
		expect(rpc.counters).toMatchObject({ late: 0, malformed: 0 });
		expect(lab.faults).toEqual([]);
	});

	test("R17 with a frame missing is an error, and its server is told to stop", async () => {
		const { heard } = await byHand((send) => {
			send({ kind: "accept" });
			send(head);
			send(data(1));
			send(data(3));
		});
		const got: number[] = [];
		const error = await failure(collect(lab.client().client.count({}), got));
		expect(error).toMatchObject({ code: Code.DataLoss, rawMessage: "frame 2 of the stream is missing: 3 came" });
		await eventually(() => heard[0]!.includes("cancel"));
	});

	test("R17 that is refused by what is no error of ours ends by itself, and no other call with it", async () => {
		await byHand((send) => {
			send({ kind: "answer", status: 503, header: new Headers(), body: new TextEncoder().encode("upstream away") });
		});
		const { client, rpc } = lab.client();
		const error = await failure(collect(client.count({})));
		expect(error).toMatchObject({ code: Code.Unavailable, rawMessage: "the stream was refused" });
		expect(rpc.counters).toMatchObject({ malformed: 0 });
		expect(lab.faults).toEqual([]);
	});

	test("R17 with a frame that comes twice is an error", async () => {
		await byHand((send) => {
			for (const frame of [{ kind: "accept" } as const, head, data(1), data(1)]) send(frame);
		});
		expect((await failure(collect(lab.client().client.count({})))).code).toBe(Code.DataLoss);
	});

	test("R17 that two receivers took, because its request was given out again, is served by the first alone", async () => {
		const { heard } = await byHand((send) => {
			send({ kind: "accept" }, 0);
			send(head, 0);
			send({ kind: "accept" }, 1);
			send(head, 1);
			send(data(1), 1);
			send(data(1), 0);
			send({ ...data(2), body: encodeEnvelope(2, new TextEncoder().encode("{}")) }, 0);
			send({ kind: "end", sequence: 3 }, 0);
		});
		const { client, rpc } = lab.client();
		expect(await collect(client.count({}))).toEqual([1]);
		expect(rpc.counters.late).toBe(3);
		await eventually(() => heard[1]!.includes("cancel"));
		expect(heard[0]).not.toContain("cancel");
	});

	test("R17 whose server ignores how much may be sent does not fill its caller's memory", async () => {
		const { heard } = await byHand((send) => {
			send({ kind: "accept" });
			send(head);
			for (let sequence = 1; sequence <= 8_000; sequence++) send(data(sequence));
		});
		const { client, rpc } = lab.client();
		const hold = Promise.withResolvers<void>();
		const reading = failure(
			(async () => {
				for await (const _ of client.count({})) await hold.promise;
			})(),
		);
		await eventually(() => heard[0]!.includes("cancel"));
		hold.resolve();
		expect((await reading).code).toBe(Code.ResourceExhausted);
		await eventually(() => rpc.counters.late > 1_000);
	});

	test("R17 that its caller gives up ends at the server, also while it waits to be allowed to send", async () => {
		const served = createCarrierLab();
		await lab.serve(served);
		const given = new AbortController();
		const numbers = lab.client().client.count({ to: 1_000_000, how: "hang" }, { signal: given.signal });
		const first = await numbers[Symbol.asyncIterator]().next();
		expect(first.value?.number).toBe(1);
		given.abort();
		await served.ended("Count");
	});

	test("R17 whose caller's mailbox is gone ends at the server, whether it sends or is silent", async () => {
		const served = createCarrierLab();
		const { server } = await lab.serve({ ...served, bounds: { pingMs: 100 } });
		const { client, connection } = lab.client();
		const silent = failure(collect(client.count({ to: 1, how: "hang" })));
		const waiting = client.count({ to: 1_000_000 })[Symbol.asyncIterator]();
		await waiting.next();
		await connection.close();
		expect((await silent).code).toBe(Code.Unavailable);
		await served.ended("Count");
		await eventually(() => server.counters.streamsLost === 2);
	});

	test("R17 whose server is gone ends at its caller", async () => {
		const { connection, server } = await lab.serve(createCarrierLab());
		const { client } = lab.client({ bounds: { pingMs: 100 } });
		const got: number[] = [];
		const hanging = failure(collect(client.count({ to: 1, how: "hang" }), got));
		await eventually(() => got.length === 1);
		await connection.close();
		expect((await hanging).code).toBe(Code.Unavailable);
		expect(server.counters.streamsLost).toBe(1);
	});

	test("R17 that nobody takes ends with UNAVAILABLE, long before its deadline", async () => {
		const raw = await lab.raw();
		await raw.assertQueue(lab.queue);
		const { client } = lab.client({ bounds: { acceptMaxMs: 200 } });
		const untaken = failure(collect(client.count({ to: 1 }, { timeoutMs: 60_000 }), []));
		expect(await untaken).toMatchObject({
			code: Code.Unavailable,
			rawMessage: "nobody took the stream within 200 ms",
		});
		// Nor does anybody take it later.
		await eventually(async () => (await raw.checkQueue(lab.queue)).messageCount === 0);
	});

	test("R17 whose server closes ends at its caller with UNAVAILABLE, at once after the grace", async () => {
		const { server } = await lab.serve(createCarrierLab());
		const { client } = lab.client();
		const got: number[] = [];
		const hanging = failure(collect(client.count({ to: 1, how: "hang" }), got));
		await eventually(() => got.length === 1);
		await server.close(50);
		expect((await hanging).code).toBe(Code.Unavailable);
	});

	test("of messages larger than half of its window each goes on, in both directions", async () => {
		await lab.serve({
			routes: (router) =>
				router.service(CarrierService, {
					async *echo(requests) {
						for await (const { text } of requests) yield { text };
					},
				}),
		});
		const sizes = [100_000, 200_000, 90_000, 250_000, 130_000, 400_000, 1, 140_000];
		async function* large() {
			for (const size of sizes) yield { text: "x".repeat(size) };
		}
		const heard: number[] = [];
		for await (const { text } of lab.client().client.echo(large())) heard.push(text.length);
		expect(heard).toEqual(sizes);
	});

	test("that is not read does not hold up another one, nor a call", async () => {
		await lab.serve(createCarrierLab());
		const { client } = lab.client();
		const given = new AbortController();
		const unread = client.count({ to: 1_000_000 }, { signal: given.signal })[Symbol.asyncIterator]();
		await unread.next();
		expect(await collect(client.count({ to: 100 }))).toHaveLength(100);
		expect((await client.unary({ text: "past it" })).text).toBe("past it");
		given.abort();
	});

	test("beyond the bound of streams is RESOURCE_EXHAUSTED, and there is room again when one ends", async () => {
		const { server } = await lab.serve({ ...createCarrierLab(), bounds: { streamsMax: 2 } });
		const { client } = lab.client();
		const given = new AbortController();
		const hold = { signal: given.signal };
		const held = [1, 2].map(() => failure(collect(client.count({ how: "hang" }, hold))));
		await eventually(() => server.counters.requests === 2);
		expect((await failure(collect(client.count({ to: 1 })))).code).toBe(Code.ResourceExhausted);
		given.abort();
		await Promise.all(held);
		await eventually(async () => (await collect(client.count({ to: 1 })).catch(() => [])).length === 1);
	});
});
