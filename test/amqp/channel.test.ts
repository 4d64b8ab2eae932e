// A channel whose set-up hangs. The broker is a fake: it answers to a consumer when told.
import { EventEmitter } from "node:events";
import type { ChannelModel } from "amqplib";
import { expect, test } from "vitest";
import { channelBounds, keepChannel } from "../../src/amqp/channel.ts";
import { createAmqpCounters } from "../../src/amqp/counters.ts";
import { createFakeClock } from "../fake-clock.ts";

test("a queue that does not answer is named after a while, and waited for", async () => {
	const clock = createFakeClock();
	const answer = Promise.withResolvers<{ consumerTag: string }>();
	const channel = Object.assign(new EventEmitter(), {
		ch: 1,
		prefetch: async () => {},
		consume: (queue: string) => (queue === "hangs" ? answer.promise : Promise.resolve({ consumerTag: queue })),
	});
	const model = { connection: { frameMax: 4096, channels: [] }, createConfirmChannel: async () => channel };
	const told: string[] = [];
	const kept = keepChannel(
		{
			prefetch: 1,
			async setup({ consume }) {
				for (const queue of ["answers", "hangs"])
					await consume(
						queue,
						() => {},
						() => {},
					);
			},
		},
		{ counters: createAmqpCounters(), clock, reopen() {}, onSlow: ({ message }) => told.push(message) },
	);
	const opening = kept.open(model as unknown as ChannelModel);
	await clock.advance(channelBounds.setUpSlowMs - 1);
	expect(told).toEqual([]);
	await clock.advance(1);
	expect(told).toEqual(["the queue hangs does not answer"]);
	answer.resolve({ consumerTag: "late" });
	await opening;
	expect(kept.session).toBeDefined();
	expect(clock.pending()).toBe(0);
});
