// Dead letters at a real broker: looked at, they stay; given back, they are where they came from.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type AmqpConnection, connectAmqp } from "../../../src/amqp/connection.ts";
import { systemClock } from "../../../src/clock.ts";
import { amqpRpcBounds } from "../../../src/rpc/amqp/bounds.ts";
import { type DeadLetter, visitDeadLetters } from "../../../src/rpc/amqp/dead-letters.ts";
import { deadLetterQueue } from "../../../src/rpc/amqp/names.ts";
import { declareDeadLetters, declareRequests } from "../../../src/rpc/amqp/topology.ts";
import { brokerInstalled, sharedBrokerUrl } from "../../amqp/broker.ts";
import { field, long, nested, publishRaw } from "../../amqp/raw-message.ts";
import { amqpSettings } from "../../amqp/settings.ts";

describe.skipIf(!brokerInstalled)("R10: dead letters", () => {
	const namespace = `test-${crypto.randomUUID()}`;
	const dead = deadLetterQueue(namespace);
	let connection: AmqpConnection;
	beforeEach(() => {
		const ports = { clock: systemClock, random: Math.random, onFault() {} };
		connection = connectAmqp(amqpSettings(sharedBrokerUrl()), "test", ports);
	});
	afterEach(() => connection.close());

	/** A channel on which the requests of a service and their dead letters have queues. */
	async function openService(namespace: string) {
		let queue = "";
		const channel = connection.channel({
			prefetch: 1,
			async setup(session) {
				await declareDeadLetters(session.channel, namespace, amqpRpcBounds);
				queue = await declareRequests(session.channel, namespace, "a.v1.Service", amqpRpcBounds);
			},
		});
		await channel.ready();
		return { channel, queue };
	}

	async function visit(replay: boolean): Promise<DeadLetter[]> {
		const letters: DeadLetter[] = [];
		await visitDeadLetters({
			connection,
			queue: dead,
			max: 10,
			replay,
			onLetter: (letter) => letters.push(letter),
			onKept() {},
		});
		return letters;
	}

	test("are shown, stay until they are given back, and then lack nothing but their deadline", async () => {
		const { channel, queue } = await openService(namespace);
		const { channel: raw } = channel.session!;
		const headers = { path: "/a.v1.Service/Do", requestId: "7", deadline: "1" };
		const properties = { type: "request", appId: "someone", correlationId: "c", replyTo: "nowhere", headers };
		await channel.publish({ exchange: "", routingKey: queue, body: Buffer.from("what"), messageId: "m", properties });
		// One that expires in its queue dies as well, and is not kept.
		const expiring = { ...properties, expiration: "1" };
		await channel.publish({
			exchange: "",
			routingKey: queue,
			body: Buffer.from("late"),
			messageId: "l",
			properties: expiring,
		});
		const got = await raw.get(queue);
		if (got === false) throw new Error("the request is not there");
		raw.reject(got, false);

		await expect.poll(() => raw.checkQueue(queue)).toMatchObject({ messageCount: 0 });
		const shown = { reason: "rejected", queue, path: "/a.v1.Service/Do", caller: "someone", messageId: "m", bytes: 4 };
		await expect.poll(() => visit(false)).toMatchObject([shown]);
		// The broker takes its time to put back what was looked at.
		await expect.poll(() => visit(false)).toMatchObject([shown]);
		await expect.poll(() => visit(true)).toMatchObject([shown]);
		expect(await visit(true)).toEqual([]);
		const back = await raw.get(queue);
		if (back === false) throw new Error("the request did not come back");
		expect(back.content.toString()).toBe("what");
		expect(back.properties).toMatchObject({ messageId: "m", correlationId: "c", replyTo: "nowhere", appId: "someone" });
		expect(back.properties.headers).toMatchObject({ path: "/a.v1.Service/Do", requestId: "7" });
		expect(back.properties.headers).not.toHaveProperty("deadline");
		raw.ack(back);
	});

	test("that cannot be given back are told of, stay, and do not keep those behind them", async () => {
		const namespace = `test-${crypto.randomUUID()}`;
		const dead = deadLetterQueue(namespace);
		const { channel, queue } = await openService(namespace);
		const write = (messageId: string, from?: string) =>
			channel.publish({
				exchange: "",
				routingKey: dead,
				body: Buffer.from("what"),
				messageId,
				properties: { headers: from === undefined ? {} : { "x-first-death-queue": from } },
			});
		await write("by hand");
		await write("of a queue that has gone", `${namespace}.gone`);
		await write("of a queue", queue);
		const kept: string[] = [];
		const replay = { connection, queue: dead, max: 10, replay: true, onLetter() {} };
		const onKept = ({ messageId }: DeadLetter, why: string) => kept.push(`${messageId}: ${why}`);
		expect(await visitDeadLetters({ ...replay, onKept })).toEqual({ seen: 3, givenBack: 1 });
		expect(kept).toEqual([
			"by hand: nothing on it says which queue it came from",
			expect.stringMatching(/^of a queue that has gone: no queue took the message/),
		]);
		const { channel: raw } = channel.session!;
		await expect.poll(() => raw.checkQueue(queue)).toMatchObject({ messageCount: 1 });
		await expect.poll(() => raw.checkQueue(dead)).toMatchObject({ messageCount: 2 });
	});

	test("with headers that cannot be decoded are shown with what can be read, stay, and do not keep those behind them", async () => {
		const namespace = `test-${crypto.randomUUID()}`;
		const dead = deadLetterQueue(namespace);
		const { channel, queue } = await openService(namespace);
		const { channel: raw } = channel.session!;
		const headers = [nested("deep", "F", 6_000), field("path", "S", long("/a.v1.Service/Do"))];
		const body = Buffer.from("what");
		await publishRaw(sharedBrokerUrl(), queue, { type: "request", appId: "someone", messageId: "deep", headers, body });
		await channel.publish({ exchange: "", routingKey: queue, body, messageId: "behind it" });
		for (const _ of [1, 2]) {
			const got = await raw.get(queue);
			if (got === false) throw new Error("the request is not there");
			raw.reject(got, false);
		}
		await expect.poll(() => raw.checkQueue(dead)).toMatchObject({ messageCount: 2 });
		const letters: DeadLetter[] = [];
		const kept: string[] = [];
		const visited = await visitDeadLetters({
			connection,
			queue: dead,
			max: 10,
			replay: true,
			onLetter: (letter) => letters.push(letter),
			onKept: ({ messageId }, why) => kept.push(`${messageId}: ${why}`),
		});
		expect(visited).toEqual({ seen: 2, givenBack: 1 });
		const shown = { reason: "rejected", queue, bytes: 4 };
		expect(letters).toMatchObject([
			{ ...shown, messageId: "deep", path: "/a.v1.Service/Do", caller: "someone", headers: "unreadable" },
			{ ...shown, messageId: "behind it" },
		]);
		expect(letters[1]).not.toHaveProperty("headers");
		expect(kept).toEqual(["deep: some of its headers cannot be decoded, and would be lost"]);
		await expect.poll(() => raw.checkQueue(dead)).toMatchObject({ messageCount: 1 });
	});

	test("of a queue that is not there are refused in words", async () => {
		const nothing = { max: 1, replay: false, onLetter() {}, onKept() {} };
		const visited = visitDeadLetters({ connection, queue: `${namespace}.none`, ...nothing });
		await expect(visited).rejects.toThrow(`the broker has no queue ${namespace}.none`);
	});
});
