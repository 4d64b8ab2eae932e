// What the carrier declares at the broker. All of it is accepted by RabbitMQ 3.10 and by 4.x: durable quorum queues, durable
// exchanges, and exclusive queues; nothing transient that is shared, nothing mirrored, no global prefetch.
import type { ConfirmChannel } from "amqplib";
import type { AmqpRpcBounds } from "./bounds.ts";
import { deadLetterExchange, deadLetterQueue, requestQueue } from "./names.ts";

/**
 * A request that has expired in its queue dies as well, and is not kept: its caller was told that nothing is known, and a
 * cache that is away for long would fill the dead letters with them. RabbitMQ matches `x-` headers since 3.10.
 */
const keptReasons = ["rejected", "delivery_limit"] as const;

/** How often a dead letter may be looked at. */
const looksMax = 1_000_000;

export async function declareDeadLetters(
	channel: ConfirmChannel,
	namespace: string,
	{ deadLettersMax, deadLettersMaxBytes }: AmqpRpcBounds,
): Promise<void> {
	const exchange = deadLetterExchange(namespace);
	const queue = deadLetterQueue(namespace);
	await channel.assertExchange(exchange, "headers", { durable: true });
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
	for (const reason of keptReasons)
		await channel.bindQueue(queue, exchange, "", { "x-match": "all-with-x", "x-first-death-reason": reason });
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
