// The broker's side of the events: a topic exchange that takes them, and a durable queue of its own for each subscriber.
import type { ConfirmChannel } from "amqplib";
import type { AmqpConnection } from "../amqp/connection.ts";
import { PublishError } from "../amqp/message.ts";
import { type EventType, eventTypes } from "../payment/event.ts";
import { cloudEventContentType, encodeCloudEvent } from "./cloud-event.ts";
import type { PublishEvent } from "./publisher.ts";
import type { Intake } from "./subscriber.ts";

/** Routing keys on it are the types: `payment.accepted`, `payment.processed`, `payment.parked`. */
function eventExchange(namespace: string): string {
	return `${namespace}.events`;
}

/** The events that a subscriber could not handle. */
function deadEventQueue(queue: string): string {
	return `${queue}.dead-letters`;
}

/** How often a dead event may be looked at: RabbitMQ 4 would allow 20. */
const looksMax = 1_000_000;

export interface EventPublishing {
	readonly publish: PublishEvent;
	close(): Promise<void>;
}

export function openEventExchange(connection: AmqpConnection, namespace: string): EventPublishing {
	const exchange = eventExchange(namespace);
	const channel = connection.channel({
		prefetch: 1,
		async setup({ channel }) {
			await channel.assertExchange(exchange, "topic", { durable: true });
		},
	});
	return {
		close: channel.close,
		async publish(event, routingKey, signal) {
			try {
				await channel.publish(
					{
						exchange,
						routingKey,
						body: encodeCloudEvent(event),
						messageId: event.id,
						properties: {
							contentType: cloudEventContentType,
							persistent: true,
							type: event.type,
						},
					},
					signal,
				);
			} catch (error) {
				// Nobody listens: the broker has it confirmed all the same.
				if (!(error instanceof PublishError) || error.failure !== "unroutable") throw error;
			}
		},
	};
}

export interface EventQueueOptions {
	readonly connection: AmqpConnection;
	readonly namespace: string;
	/** The subscriber's own queue: all processes of one name share its events. */
	readonly queue: string;
	/** Default: all of them. */
	readonly types?: readonly EventType[];
	readonly bounds?: Partial<EventQueueBounds>;
}

export interface EventQueueBounds {
	/** Events that are worked on at a time. */
	readonly prefetch: number;
	/** Events that may wait; beyond, the publisher waits, and with it all subscribers. */
	readonly queueMax: number;
	/** An event that was handed out and came back so many times is put aside. */
	readonly deliveryLimit: number;
}

const eventQueueBounds: EventQueueBounds = { prefetch: 32, queueMax: 10_000_000, deliveryLimit: 5 };

/** The messages of a subscriber's queue, which is there from the first time on and keeps what it was not there for. */
export function eventQueue({
	connection,
	namespace,
	queue,
	types = eventTypes,
	...options
}: EventQueueOptions): Intake {
	const { prefetch, queueMax, deliveryLimit } = { ...eventQueueBounds, ...options.bounds };
	return async (receive) => {
		let consumer = "";
		let ended = false;
		const stop = (channel: ConfirmChannel): Promise<unknown> =>
			channel.cancel(consumer).catch(() => {
				// Its channel has gone, and with it the consumer.
			});
		const channel = connection.channel({
			prefetch,
			async setup(session) {
				const { channel } = session;
				const exchange = eventExchange(namespace);
				const dead = deadEventQueue(queue);
				await channel.assertExchange(exchange, "topic", { durable: true });
				await channel.assertQueue(dead, {
					durable: true,
					arguments: { "x-queue-type": "quorum", "x-delivery-limit": looksMax },
				});
				await channel.assertQueue(queue, {
					durable: true,
					arguments: {
						"x-queue-type": "quorum",
						"x-delivery-limit": deliveryLimit,
						"x-dead-letter-exchange": "",
						"x-dead-letter-routing-key": dead,
						"x-max-length": queueMax,
						"x-overflow": "reject-publish",
					},
				});
				for (const type of types) await channel.bindQueue(queue, exchange, type);
				if (ended) return;
				const onGone = () => session.reopen(new Error(`the queue ${queue} was deleted`));
				consumer = await session.consume(
					queue,
					({ message, ack, reject }) =>
						receive({
							body: message.content,
							contentType: message.properties.contentType,
							redelivered: message.fields.redelivered,
							ack: () => void ack(),
							reject: () => void reject(false),
						}),
					onGone,
				);
				// It was ended while it was set up.
				if (ended) await stop(session.channel);
			},
		});
		await channel.ready();
		// The channel stays as long as the connection: what was delivered is still to be acknowledged.
		return async () => {
			ended = true;
			if (channel.session) await stop(channel.session.channel);
		};
	};
}
