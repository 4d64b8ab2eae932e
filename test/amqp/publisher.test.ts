// What waits to be published when its channel goes is published on the next one. The channel is a fake that closes when told.
import { EventEmitter } from "node:events";
import { type ConfirmChannel, IllegalOperationError } from "amqplib";
import { expect, test } from "vitest";
import { createAmqpCounters } from "../../src/amqp/counters.ts";
import type { Publication } from "../../src/amqp/message.ts";
import { createPublisher, publisherBounds } from "../../src/amqp/publisher.ts";

type Confirm = (error: Error | null) => void;

/** As amqplib's: once it closes it refuses to publish, and what was not confirmed fails only then, before it says "close". */
function fakeChannel() {
	const sent: string[] = [];
	const unconfirmed: Confirm[] = [];
	let closing = false;
	const channel = Object.assign(new EventEmitter(), {
		publish(_exchange: string, _key: string, _body: Buffer, { messageId }: { messageId: string }, done: Confirm) {
			if (closing) throw new IllegalOperationError("Channel closing");
			sent.push(messageId);
			unconfirmed.push(done);
		},
	});
	return {
		sent,
		channel: channel as unknown as ConfirmChannel,
		confirm: () => unconfirmed.shift()?.(null),
		giveBack: (messageId: string) =>
			channel.emit("return", { properties: { messageId }, fields: { replyCode: 312, replyText: "NO_ROUTE" } }),
		beginClose() {
			closing = true;
		},
		close() {
			closing = true;
			for (const done of unconfirmed.splice(0)) done(new Error("channel closed"));
		},
	};
}

function publication(messageId: string): Publication {
	return { exchange: "", routingKey: "queue", body: new Uint8Array(), messageId, properties: {} };
}

function setUp(unconfirmedMax = 1) {
	const publisher = createPublisher({ ...publisherBounds, unconfirmedMax }, createAmqpCounters());
	const first = fakeChannel();
	const second = fakeChannel();
	publisher.attach(first.channel, 4096);
	return { publisher, first, second };
}

test("what waits for a confirm when the channel is lost is sent on the next one, in its order", async () => {
	const { publisher, first, second } = setUp();
	const published = publisher.publish(publication("a"));
	const waiting = [publisher.publish(publication("b")), publisher.publish(publication("c"))];
	const room = publisher.room();
	first.close();
	await expect(published).rejects.toMatchObject({ failure: "lost" });
	publisher.detach();
	expect(first.sent).toEqual(["a"]);

	publisher.attach(second.channel, 4096);
	second.confirm();
	second.confirm();
	await Promise.all([...waiting, room]);
	expect(second.sent).toEqual(["b", "c"]);
});

test("what is published on a channel that is closing waits for the next one", async () => {
	const { publisher, first, second } = setUp();
	first.beginClose();
	const published = publisher.publish(publication("a"));
	publisher.detach();
	publisher.attach(second.channel, 4096);
	second.confirm();
	await published;
	expect(second.sent).toEqual(["a"]);
});

test("what a channel gave back before it closed had no queue, and is not called lost with it", async () => {
	const { publisher, first } = setUp(2);
	const published = publisher.publish(publication("a"));
	first.giveBack("a");
	first.beginClose();
	const waiting = publisher.publish(publication("b"));
	first.close();
	await expect(published).rejects.toMatchObject({ failure: "unroutable" });
	await publisher.close();
	await expect(waiting).rejects.toMatchObject({ failure: "closed" });
	await expect(publisher.publish(publication("c"))).rejects.toMatchObject({ failure: "closed" });
	await expect(publisher.ready()).rejects.toMatchObject({ failure: "closed" });
});

test("properties that cannot be written fail at once, and the next publication is sent", async () => {
	const { publisher, first } = setUp();
	const large = { ...publication("a"), properties: { headers: { large: "x".repeat(5000) } } };
	await expect(publisher.publish(large)).rejects.toMatchObject({ failure: "unwritable" });
	const published = publisher.publish(publication("b"));
	first.confirm();
	await published;
	expect(first.sent).toEqual(["b"]);
});
