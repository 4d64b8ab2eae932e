// What a caller of the tutorial's server may rely on when replies are odd, requests recur, or nobody is there.
import { describe, expect, test } from "vitest";
import { connectBroker } from "../../../examples/fibonacci/broker.ts";
import { serveFibonacci } from "../../../examples/fibonacci/server.ts";
import { PublishError } from "../../../src/amqp/message.ts";
import { brokerInstalled, sharedBrokerUrl } from "../../amqp/broker.ts";
import { ownQueue, rawChannel, startClient, startServer } from "./lab.ts";

/** Answers as `replies` say, of each of which the correlation id is "own", none, or the text. */
async function startOddServer(queue: string, replies: readonly { id?: string; body: string }[]): Promise<void> {
	const channel = await rawChannel();
	await channel.assertQueue(queue, { durable: false });
	await channel.consume(queue, (message) => {
		const { replyTo, correlationId } = message!.properties;
		for (const { id, body } of replies)
			channel.sendToQueue(replyTo, Buffer.from(body), {
				...(id !== undefined && { correlationId: id === "own" ? correlationId : id }),
			});
		channel.ack(message!);
	});
}

describe.skipIf(!brokerInstalled)("calls by the tutorial's manner", () => {
	test("replies with an unknown id, with none, and again are counted and discarded, and the next call works", async () => {
		const queue = ownQueue();
		const rest = [
			{ id: "own", body: "5" },
			{ id: "own", body: "6" },
		];
		await startOddServer(queue, [{ id: "somebody else's", body: "4" }, { body: "4" }, ...rest]);
		const client = await startClient({ queue });
		expect(await client.call(5)).toBe(5n);
		expect(await client.call(5)).toBe(5n);
		await expect.poll(() => client.counters).toEqual({ replies: 2, missing: 2, unknown: 2, duplicate: 2, late: 0 });
	});

	test("a server that says nothing, or no number, is an error to its caller alone", async () => {
		const queue = ownQueue();
		await startOddServer(queue, [{ id: "own", body: "" }]);
		const client = await startClient({ queue });
		await expect(client.call(5)).rejects.toMatchObject({ reason: "refused", message: "the server answered nothing" });
	});

	test("without a queue a call fails at once; with one and nobody there, in its time, and is not carried out later", async () => {
		const queue = ownQueue();
		const client = await startClient({ queue });
		await expect(client.call(5)).rejects.toBeInstanceOf(PublishError);
		const channel = await rawChannel();
		await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
		const hasty = await startClient({ queue, timeoutMs: 150 });
		await expect(hasty.call(5)).rejects.toMatchObject({ reason: "late" });
		await expect.poll(async () => (await channel.checkQueue(queue)).messageCount).toBe(0);
		const server = await startServer({ queue });
		expect(await client.call(7)).toBe(13n);
		expect(server.counters.worked).toBe(1);
	});

	test("a request in the hands of a server that goes is answered by another", async () => {
		const queue = ownQueue();
		const taken = Promise.withResolvers<void>();
		const connection = await connectBroker(sharedBrokerUrl(), "test server that goes");
		const goes = serveFibonacci({
			connection,
			queue,
			work() {
				taken.resolve();
				return new Promise(() => {});
			},
			onFault() {},
		});
		await goes.ready();
		const client = await startClient({ queue });
		const answer = client.call(10);
		await taken.promise;
		const stays = await startServer({ queue });
		await connection.close();
		expect(await answer).toBe(55n);
		expect(stays.counters.worked).toBe(1);
	});

	test("a request that recurs has one effect and the same answer", async () => {
		const queue = ownQueue();
		const server = await startServer({ queue, prefetch: 4 });
		const client = await startClient({ queue });
		const again = { callerId: "shop", requestId: "order 7" };
		expect(await Promise.all([client.call(20, again), client.call(20, again)])).toEqual([6765n, 6765n]);
		const restarted = await startClient({ queue });
		expect(await restarted.call(20, again)).toBe(6765n);
		expect(server.counters).toMatchObject({ worked: 1, recurred: 2 });
		await expect(client.call(21, again)).rejects.toMatchObject({ reason: "refused" });
		expect(await client.call(20, { ...again, callerId: "another" })).toBe(6765n);
		expect(server.counters.worked).toBe(2);
	});

	test("a tutorial's request that is delivered twice is answered twice and worked out once", async () => {
		const queue = ownQueue();
		const server = await startServer({ queue });
		const channel = await rawChannel();
		const { queue: replyTo } = await channel.assertQueue("", { exclusive: true });
		const ids: string[] = [];
		await channel.consume(replyTo, (reply) => void ids.push(reply!.properties.correlationId), { noAck: true });
		for (let i = 0; i < 2; i++) channel.sendToQueue(queue, Buffer.from("12"), { replyTo, correlationId: "once" });
		await expect.poll(() => ids).toEqual(["once", "once"]);
		await expect.poll(() => server.counters).toMatchObject({ worked: 1, recurred: 1, answered: 2 });
	});

	test("requests that name no queue, or one that is none of a caller's, are counted and answered to nobody", async () => {
		const queue = ownQueue();
		const server = await startServer({ queue });
		const channel = await rawChannel();
		const forged = ownQueue();
		await channel.assertQueue(forged, { durable: false });
		channel.sendToQueue(queue, Buffer.from("1"));
		channel.sendToQueue(queue, Buffer.from("1"), { replyTo: forged, correlationId: "1" });
		channel.sendToQueue(queue, Buffer.from("1"), { replyTo: "amq.gen-gone", correlationId: "1" });
		const client = await startClient({ queue });
		expect(await client.call(9)).toBe(34n);
		await expect.poll(() => server.counters).toMatchObject({ unanswerable: 2, undelivered: 1, answered: 1 });
		expect((await channel.checkQueue(forged)).messageCount).toBe(0);
	});

	test("one callback queue per request leaves no queue behind", async () => {
		const queue = ownQueue();
		const names: string[] = [];
		const channel = await rawChannel();
		await channel.assertQueue(queue, { durable: false });
		await channel.consume(queue, (message) => {
			const { replyTo, correlationId } = message!.properties;
			names.push(replyTo);
			channel.sendToQueue(replyTo, Buffer.from("1"), { correlationId });
			channel.ack(message!);
		});
		const client = await startClient({ queue, callbackQueues: "one per request" });
		await Promise.all([client.call(1), client.call(1), client.call(1)]);
		expect(new Set(names).size).toBe(3);
		for (const name of names) {
			const looking = await rawChannel();
			looking.on("error", () => {
				// The broker closes the channel of who asks for a queue that is not there; that is the answer.
			});
			await expect(looking.checkQueue(name)).rejects.toThrow("404");
		}
	});
});
