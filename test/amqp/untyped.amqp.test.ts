// What the AMQP library would give a connection up for: a delivery on a channel that was closed, which RabbitMQ makes now and
// then, and a line between here each time; and a message with headers that cannot be decoded.
import { describe, expect, onTestFinished, test } from "vitest";
import { connectAmqp } from "../../src/amqp/connection.ts";
import { headersAreWhole } from "../../src/amqp/header-frame.ts";
import type { Delivery } from "../../src/amqp/message.ts";
import { systemClock } from "../../src/clock.ts";
import { type Alter, startProxy } from "../system/proxy.ts";
import { brokerInstalled, sharedBrokerUrl } from "./broker.ts";
import { field, frame, long, nested, publishRaw } from "./raw-message.ts";
import { amqpSettings } from "./settings.ts";

const [methodType, headerType, bodyType] = [1, 2, 3];
/** Class and method. */
const channelClose = 0x0014_0028;
const basicDeliver = 0x003c_003c;

/** One message of two bytes, to a consumer named `tag`. */
function delivery(channel: number): Buffer {
	const method = Buffer.alloc(4);
	method.writeUInt32BE(basicDeliver);
	const [tag, nothing] = [Buffer.from("\x03tag"), Buffer.from("\x00")];
	const header = Buffer.alloc(14);
	header.writeUInt16BE(basicDeliver >>> 16, 0);
	header.writeBigUInt64BE(2n, 4);
	return Buffer.concat([
		frame(methodType, channel, Buffer.concat([method, tag, Buffer.alloc(9), nothing, nothing])),
		frame(headerType, channel, header),
		frame(bodyType, channel, Buffer.from("ok")),
	]);
}

/** Passes all that the broker says, and a delivery after each closing of a channel. */
function withLateDeliveries(told: () => void): Alter {
	let rest: Buffer = Buffer.alloc(0);
	return (chunk) => {
		rest = Buffer.concat([rest, chunk]);
		const out: Buffer[] = [];
		for (;;) {
			if (rest.length < 7) break;
			const size = rest.readUInt32BE(3) + 8;
			if (rest.length < size) break;
			out.push(rest.subarray(0, size));
			if (rest.readUInt8(0) === methodType && rest.readUInt32BE(7) === channelClose) {
				out.push(delivery(rest.readUInt16BE(1)));
				told();
			}
			rest = rest.subarray(size);
		}
		return Buffer.concat(out);
	};
}

/** Listens in front of the shared broker. */
async function startLateBroker(): Promise<{ readonly url: string; readonly late: () => number }> {
	const broker = new URL(sharedBrokerUrl());
	let late = 0;
	const target = { port: Number(broker.port), host: broker.hostname };
	const proxy = await startProxy(target, undefined, () => withLateDeliveries(() => late++));
	onTestFinished(() => proxy.close());
	broker.port = String(proxy.port);
	return { url: broker.href, late: () => late };
}

describe.skipIf(!brokerInstalled)("a broker that delivers on a channel that it has closed", () => {
	test("R14 costs its other channels nothing", async () => {
		const { url, late } = await startLateBroker();
		const faults: string[] = [];
		const connection = connectAmqp(amqpSettings(url), "late", {
			clock: systemClock,
			random: Math.random,
			onFault: (error, what) => faults.push(`${what}: ${error.message}`),
		});
		onTestFinished(() => connection.close());
		const closed = connection.channel({ prefetch: 1 });
		const other = connection.channel({ prefetch: 1 });
		await Promise.all([closed.ready(), other.ready()]);
		const [session, otherSession] = [closed.session!, other.session!];

		for (const times of [1, 2]) {
			await expect(closed.session!.channel.checkQueue("no-such-queue")).rejects.toThrow("404");
			await closed.ready();
			expect(late()).toBe(times);
			expect(connection.counters).toMatchObject({ channelsClosed: times, reconnects: 0 });
		}
		expect(closed.session).not.toBe(session);
		expect(other.session).toBe(otherSession);
		await otherSession.channel.checkExchange("amq.topic");
		expect(faults).toEqual([]);
	});

	test("R14 does not keep its connection from closing", async () => {
		const { url } = await startLateBroker();
		const connection = connectAmqp(amqpSettings(url), "late", {
			clock: systemClock,
			random: Math.random,
			onFault() {},
		});
		const channel = connection.channel({ prefetch: 1 });
		await channel.ready();
		await expect(channel.session!.channel.checkQueue("no-such-queue")).rejects.toThrow("404");
		await connection.close();
		expect(connection.connected).toBe(false);
	});
});

describe.skipIf(!brokerInstalled)("a message with headers that cannot be decoded", () => {
	test.each([
		"F",
		"A",
	] as const)("R10 arrives without those (%s), is marked, and costs the connection nothing", async (type) => {
		const faults: string[] = [];
		const connection = connectAmqp(amqpSettings(sharedBrokerUrl()), "deep", {
			clock: systemClock,
			random: Math.random,
			onFault: (error, what) => faults.push(`${what}: ${error.message}`),
		});
		onTestFinished(() => connection.close());
		const queue = `test.${crypto.randomUUID()}`;
		const deliveries: Delivery[] = [];
		const both = Promise.withResolvers<void>();
		const channel = connection.channel({
			prefetch: 2,
			async setup(session) {
				await session.channel.assertQueue(queue, { autoDelete: true });
				const onDelivery = (delivery: Delivery) => {
					if (deliveries.push(delivery) === 2) both.resolve();
				};
				await session.consume(queue, onDelivery, () => {});
			},
		});
		await channel.ready();
		const headers = [nested("deep", type, 6_000), field("path", "S", long("/x"))];
		await publishRaw(sharedBrokerUrl(), queue, { headers, correlationId: "c", body: Buffer.from("first") });
		await channel.publish({ exchange: "", routingKey: queue, body: Buffer.from("second"), messageId: "2" });
		await both.promise;
		expect(deliveries.map(({ message }) => String(message.content))).toEqual(["first", "second"]);
		const [first, second] = deliveries.map(({ message }) => message.properties);
		expect(first).toMatchObject({ correlationId: "c", headers: { path: "/x" } });
		expect(first!.headers).not.toHaveProperty("deep");
		expect([headersAreWhole(first!), headersAreWhole(second!)]).toEqual([false, true]);
		expect(faults).toEqual([]);
		expect(connection.counters.reconnects).toBe(0);
	});
});
