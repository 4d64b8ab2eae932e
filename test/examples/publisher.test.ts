// The choreography's outbox: an event leaves it when the broker has confirmed it, and not before.
import { expect, onTestFinished, test } from "vitest";
import { createPublisher } from "../../examples/choreography/publisher.ts";
import type { AmqpChannel } from "../../src/amqp/channel.ts";
import { type Publication, PublishError } from "../../src/amqp/message.ts";
import { createFakeClock } from "../fake-clock.ts";

test("an event that the broker did not take stays in the outbox, and is published again under its id", async () => {
	const clock = createFakeClock();
	const events = [{ id: "1", sku: "CHAIR-1" }];
	const published: Publication[] = [];
	const answers: PromiseWithResolvers<void>[] = [];
	const publisher = createPublisher({
		outbox: {
			add() {},
			next: (max) => events.slice(0, max),
			remove: (id) =>
				void events.splice(
					events.findIndex((event) => event.id === id),
					1,
				),
			count: () => events.length,
		},
		channel: {
			publish(publication: Publication) {
				published.push(publication);
				const answer = Promise.withResolvers<void>();
				answers.push(answer);
				return answer.promise;
			},
		} as unknown as AmqpChannel,
		destinations: [{ exchange: "sku_processed", routingKey: "" }],
		clock,
		onFault() {},
	});
	onTestFinished(publisher.close);
	await clock.settle();
	answers[0]!.reject(new PublishError("lost", "gone"));
	await clock.settle();
	expect(events).toHaveLength(1);
	await clock.advance(200);
	expect(published.map(({ messageId }) => messageId)).toEqual(["1", "1"]);
	expect(events).toHaveLength(1);
	answers[1]!.resolve();
	await clock.settle();
	expect(events).toEqual([]);
});
