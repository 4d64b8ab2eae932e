// A connection to a real broker: what is published is confirmed, or the publisher is told why not; what is lost comes back.
import { Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { ChannelOptions } from "../../src/amqp/channel.ts";
import { type AmqpConnection, connectAmqp } from "../../src/amqp/connection.ts";
import type { Delivery, Publication } from "../../src/amqp/message.ts";
import { PublishError } from "../../src/amqp/message.ts";
import { systemClock } from "../../src/clock.ts";
import { eventually } from "../rpc/amqp/lab.ts";
import { startProxy } from "../system/proxy.ts";
import { type Broker, brokerInstalled, sharedBrokerUrl, startBroker } from "./broker.ts";
import { amqpSettings } from "./settings.ts";

/**
 * RabbitMQ 3.10 writes down which log belongs to a quorum queue some time after it has confirmed the queue: killed before, it
 * comes back with the queue and without its log, and nothing can be done with it.
 */
const queueSafeMs = 3000;

const open = new Set<AmqpConnection>();

function connect(url: string): AmqpConnection {
	const connection = connectAmqp(amqpSettings(url), "test", { clock: systemClock, random: Math.random, onFault() {} });
	open.add(connection);
	return connection;
}

const to = (routingKey: string, messageId = "1"): Publication => ({
	exchange: "",
	routingKey,
	body: Buffer.from(`message ${messageId}`),
	messageId,
});

async function failure(publication: Promise<void>): Promise<string> {
	try {
		await publication;
	} catch (error) {
		if (error instanceof PublishError) return error.failure;
		throw error;
	}
	return "none";
}

function collecting(queue: string, options: Partial<ChannelOptions> = {}) {
	const deliveries: Delivery[] = [];
	let heard = () => {};
	const setup: ChannelOptions["setup"] = async (session) => {
		await session.channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
		await session.consume(
			queue,
			(delivery) => {
				deliveries.push(delivery);
				heard();
			},
			() => {},
		);
	};
	async function next(count: number): Promise<Delivery[]> {
		while (deliveries.length < count)
			await new Promise<void>((resolve) => {
				heard = resolve;
			});
		return deliveries;
	}
	return { next, options: { prefetch: 100, setup, ...options } };
}

afterEach(async () => {
	await Promise.all([...open].map((connection) => connection.close()));
	open.clear();
});

describe.skipIf(!brokerInstalled)("a connection", () => {
	test("what is written leaves at once, and does not wait for the acknowledgement of what left before", async () => {
		const setNoDelay = vi.spyOn(Socket.prototype, "setNoDelay");
		onTestFinished(() => setNoDelay.mockRestore());
		await connect(sharedBrokerUrl()).ready();
		expect(setNoDelay).toHaveBeenCalledWith(true);
	});

	test("a message for a queue is confirmed and delivered; one for no queue is returned", async () => {
		const connection = connect(sharedBrokerUrl());
		const queue = `test.${crypto.randomUUID()}`;
		const collector = collecting(queue);
		const channel = connection.channel(collector.options);
		await channel.publish(to(queue));
		const [delivery] = await collector.next(1);
		expect(delivery?.message.content.toString()).toBe("message 1");
		expect(delivery?.ack()).toBe(true);
		expect(await failure(channel.publish(to("no-such-queue", "2")))).toBe("unroutable");
		expect(connection.counters).toMatchObject({ published: 2, confirmed: 1, unroutable: 1, delivered: 1 });
		await channel.session?.channel.deleteQueue(queue);
	});

	test("a full queue refuses", async () => {
		const connection = connect(sharedBrokerUrl());
		const channel = connection.channel({ prefetch: 1 });
		await channel.ready();
		const { queue } = await channel.session!.channel.assertQueue("", {
			exclusive: true,
			arguments: { "x-max-length": 1, "x-overflow": "reject-publish" },
		});
		const outcomes = await Promise.all([1, 2, 3].map((n) => failure(channel.publish(to(queue, String(n))))));
		expect(outcomes.filter((outcome) => outcome === "refused")).not.toEqual([]);
		expect(outcomes[0]).toBe("none");
	});

	test("a channel that the broker closes is opened again, and its consumers with it", async () => {
		const connection = connect(sharedBrokerUrl());
		const queue = `test.${crypto.randomUUID()}`;
		const lost: string[] = [];
		const collector = collecting(queue, { onLost: (cause) => lost.push(cause.message) });
		const channel = connection.channel(collector.options);
		const other = connection.channel({ prefetch: 1 });
		await Promise.all([channel.ready(), other.ready()]);
		await expect(channel.session!.channel.checkQueue("no-such-queue")).rejects.toThrow("404");
		await channel.publish(to(queue));
		const [delivery] = await collector.next(1);
		delivery?.ack();
		expect(lost).toHaveLength(1);
		expect(connection.counters).toMatchObject({ channelsClosed: 1, reconnects: 0 });
		expect(other.session).toBeDefined();
		await channel.session?.channel.deleteQueue(queue);
	});

	test("a connection that is lost goes to the next host each time, however well the last one went", async () => {
		const { port } = new URL(sharedBrokerUrl());
		const hosts = await Promise.all([1, 2, 3].map(() => startProxy({ port: Number(port), host: "127.0.0.1" })));
		onTestFinished(async () => {
			await Promise.all(hosts.map((host) => host.close()));
		});
		const connection = connect(hosts.map((host) => `amqp://guest:guest@127.0.0.1:${host.port}`).join(","));
		const channel = connection.channel({ prefetch: 1 });
		const taken: number[] = [];
		for (let n = 0; n < 5; n++) {
			await eventually(() => connection.counters.reconnects === n && channel.session !== undefined);
			const at = hosts.findIndex((host) => host.lines() > 0);
			taken.push(at);
			hosts[at]!.cut();
		}
		expect(taken).toEqual([0, 1, 2, 0, 1]);
	});

	test("what waits to be sent while there is no broker can be given up, and is bounded", async () => {
		const connection = connect("amqp://127.0.0.1:1");
		const channel = connection.channel({ prefetch: 1, bounds: { waitingMax: 1 } });
		const given = new AbortController();
		const waits = channel.publish(to("any"), given.signal);
		expect(await failure(channel.publish(to("any", "2")))).toBe("crowded");
		given.abort(new Error("given up"));
		await expect(waits).rejects.toThrow("given up");
	});
});

describe.skipIf(!brokerInstalled)("a broker that goes and comes back", () => {
	let broker: Broker;
	beforeAll(async () => {
		broker = await startBroker();
	});
	afterAll(() => broker?.remove());

	test("finds its connections again, with what they had declared", async () => {
		const connection = connect(`amqp://127.0.0.1:1,${broker.url}`);
		const collector = collecting("kept");
		const channel = connection.channel(collector.options);
		await channel.publish(to("kept"));
		(await collector.next(1))[0]?.ack();
		await systemClock.sleep(queueSafeMs);
		await broker.kill();
		const published = failure(channel.publish(to("kept", "2")));
		await broker.start();
		// It may have left just before the loss was noticed; then its publisher is told that nothing is known.
		if ((await published) === "lost") await channel.publish(to("kept", "3"));
		const deliveries = await collector.next(2);
		expect(deliveries[1]?.ack()).toBe(true);
		expect(connection.counters.reconnects).toBeGreaterThanOrEqual(1);
	});
});
