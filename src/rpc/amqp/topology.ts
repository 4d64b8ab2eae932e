// What the carrier declares at the broker. All of it is accepted by RabbitMQ 3.10 and by 4.x: durable quorum queues, durable
// exchanges, and exclusive queues; nothing transient that is shared, nothing mirrored, no global prefetch.
import type { ConfirmChannel } from "amqplib";
import type { AmqpRpcBounds } from "./bounds.ts";
import { deadLetterExchange, deadLetterQueue, requestQueue } from "./names.ts";

/** How often a dead letter may be looked at. */
const looksMax = 1_000_000;

export async function declareDeadLetters(
	channel: ConfirmChannel,
	namespace: string,
	{ deadLettersMax, deadLettersMaxBytes }: AmqpRpcBounds,
): Promise<void> {
	const exchange = deadLetterExchange(namespace);
	const queue = deadLetterQueue(namespace);
	await channel.assertExchange(exchange, "fanout", { durable: true });
	await channel.assertQueue(queue, {
		durable: true,
		arguments: {
			"x-queue-type": "quorum",
			"x-max-length": deadLettersMax,
			"x-max-length-bytes": deadLettersMaxBytes,
			"x-overflow": "drop-head",
			// Looking at a dead letter counts as a delivery, of which RabbitMQ 4 would allow 20.
			"x-delivery-limit": looksMax,
		},
	});
	await channel.bindQueue(queue, exchange, "");
}

/** Resolves to the queue's name. */
export async function declareRequests(
	channel: ConfirmChannel,
	namespace: string,
	service: string,
	{ queueMax, queueMaxBytes, deliveryLimit }: AmqpRpcBounds,
): Promise<string> {
	const { queue } = await channel.assertQueue(requestQueue(namespace, service), {
		durable: true,
		arguments: {
			"x-queue-type": "quorum",
			"x-delivery-limit": deliveryLimit,
			"x-dead-letter-exchange": deadLetterExchange(namespace),
			"x-max-length": queueMax,
			"x-max-length-bytes": queueMaxBytes,
			"x-overflow": "reject-publish",
		},
	});
	return queue;
}
