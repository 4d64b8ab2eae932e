// A subscriber's queue at a real broker: what becomes of its events where it is full, deleted, or gives some back.
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type AmqpConnection, connectAmqp } from "../../src/amqp/connection.ts";
import { systemClock } from "../../src/clock.ts";
import { type EventQueueOptions, eventQueue, openEventExchange } from "../../src/events/broker.ts";
import { toCloudEvent } from "../../src/events/payment-event.ts";
import type { EventDelivery } from "../../src/events/subscriber.ts";
import { brokerInstalled, sharedBrokerUrl } from "../amqp/broker.ts";
import { amqpSettings } from "../amqp/settings.ts";
import { type AmqpLab, createAmqpLab, eventually } from "../rpc/amqp/lab.ts";

let lab: AmqpLab;
beforeEach(() => {
	lab = createAmqpLab();
});
afterEach(() => lab.close());

const never = new AbortController().signal;

function connect(): AmqpConnection {
	const ports = { clock: systemClock, random: Math.random, onFault() {} };
	const connection = connectAmqp(amqpSettings(sharedBrokerUrl()), "test", ports);
	onTestFinished(() => connection.close());
	return connection;
}

function publisher() {
	const { publish } = openEventExchange(connect(), lab.namespace);
	return (seq: number) => {
		const event = { seq, type: "payment.processed", paymentId: crypto.randomUUID(), timeUs: 0 } as const;
		return publish(toCloudEvent(event, "/test"), event.type, never);
	};
}

/** Its queue, the numbers of the events that have come, and how to end it without a word. */
async function subscriber(receive: (delivery: EventDelivery) => void, bounds: EventQueueOptions["bounds"] = {}) {
	const connection = connect();
	const queue = `${lab.namespace}.subscriber`;
	const came: number[] = [];
	await eventQueue({ connection, namespace: lab.namespace, queue, bounds })((delivery) => {
		came.push(Number.parseInt(JSON.parse(String(delivery.body)).id, 10));
		receive(delivery);
	});
	return { queue, came, close: connection.close };
}

describe.skipIf(!brokerInstalled)("R20 a subscriber's queue", () => {
	test("that is full refuses further events, and loses none that it has", async () => {
		const { queue, close } = await subscriber(() => {}, { prefetch: 1, queueMax: 4 });
		await close();
		const publish = publisher();
		const raw = await lab.raw();
		let taken = 0;
		// It tells its publishers that it is full some moments after it is.
		const refused = async () => {
			try {
				await publish(++taken);
				return false;
			} catch (error) {
				expect(error).toMatchObject({ failure: "refused" });
				return true;
			}
		};
		await eventually(refused);
		const first = await raw.get(queue, { noAck: true });
		expect(first && JSON.parse(String(first.content)).id).toBe("1-0");
		expect((await raw.checkQueue(queue)).messageCount).toBe(taken - 2);
	});

	test("has what its subscriber rejects among its dead letters, as it was", async () => {
		const { queue, came } = await subscriber(({ reject }) => reject());
		const raw = await lab.raw();
		const dead = `${queue}.dead-letters`;
		const publish = publisher();
		await publish(1);
		await eventually(async () => (await raw.checkQueue(dead)).messageCount === 1);
		expect(came).toEqual([1]);
		const letter = await raw.get(dead, { noAck: true });
		if (letter === false) throw new Error("there is no dead letter");
		expect(letter.properties.contentType).toBe("application/cloudevents+json");
		expect(letter.properties.headers?.["x-first-death-reason"]).toBe("rejected");
	});

	test("gives an event out again whose subscriber has gone, so often and no oftener", async () => {
		const bounds = { deliveryLimit: 2 };
		const publish = publisher();
		const raw = await lab.raw();
		let queue = "";
		for (const life of [1, 2, 3]) {
			const one = await subscriber(() => {}, bounds);
			queue = one.queue;
			if (life === 1) await publish(1);
			await eventually(() => one.came.length === 1);
			await one.close();
		}
		await eventually(async () => (await raw.checkQueue(`${queue}.dead-letters`)).messageCount === 1);
		expect((await raw.checkQueue(queue)).messageCount).toBe(0);
	});

	test("that is deleted is there again, and events come", async () => {
		const { queue, came } = await subscriber(({ ack }) => ack());
		const publish = publisher();
		const raw = await lab.raw();
		await publish(1);
		await eventually(() => came.length === 1);
		await raw.deleteQueue(queue);
		await eventually(async () => {
			await publish(2);
			return came.length > 1;
		});
	});

	test("is nothing that the relay needs: without one an event is confirmed all the same", async () => {
		await publisher()(1);
	});
});
