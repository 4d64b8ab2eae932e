// What the choreography calls its exchange and queues, and how they are declared. RabbitMQ 3.10 and 4.x accept all of it.
import type { ConfirmChannel } from "amqplib";

/** Every queue that is bound to it gets every event; who they are it alone knows. */
export function eventExchange(namespace: string): string {
	return `${namespace}.sku_processed`;
}

/** A service's own queue: it fills while the service is away. */
export function eventQueue(namespace: string, service: string): string {
	return `${namespace}.events.${service}`;
}

/** Events that the service could not handle. */
export function deadLetterQueue(namespace: string, service: string): string {
	return `${namespace}.events.${service}.dead-letters`;
}

/** An event that was rejected so often is a dead letter. */
export const deliveryLimit = 3;
/** Events that wait for a service; beyond, the newest are refused, and their producer keeps them. */
const waitingMax = 100_000;
const deadLettersMax = 100_000;

export async function declareExchange(channel: ConfirmChannel, namespace: string): Promise<void> {
	await channel.assertExchange(eventExchange(namespace), "fanout", { durable: true });
}

/** Declares a service's queue, and binds it to the exchange: from then on the service misses nothing. */
export async function declareQueue(channel: ConfirmChannel, namespace: string, service: string): Promise<string> {
	const dead = deadLetterQueue(namespace, service);
	await channel.assertQueue(dead, {
		durable: true,
		arguments: { "x-queue-type": "quorum", "x-max-length": deadLettersMax, "x-overflow": "drop-head" },
	});
	const { queue } = await channel.assertQueue(eventQueue(namespace, service), {
		durable: true,
		arguments: {
			"x-queue-type": "quorum",
			"x-delivery-limit": deliveryLimit,
			"x-max-length": waitingMax,
			"x-overflow": "reject-publish",
			"x-dead-letter-exchange": "",
			"x-dead-letter-routing-key": dead,
		},
	});
	await declareExchange(channel, namespace);
	await channel.bindQueue(queue, eventExchange(namespace), "");
	return queue;
}
