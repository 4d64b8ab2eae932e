// Publishes what is in the outbox, the oldest first, until the broker has confirmed it: at least once.
import type { AmqpChannel } from "../../src/amqp/channel.ts";
import type { Clock } from "../../src/clock.ts";
import { encodeEvent, eventContentType, eventType, type SkuProcessed } from "./event.ts";
import type { Outbox } from "./outbox.ts";

/** Where a publication goes: an exchange, or the default one with a queue's name. */
export interface Destination {
	readonly exchange: string;
	readonly routingKey: string;
}

export interface PublisherOptions {
	readonly outbox: Outbox;
	readonly channel: AmqpChannel;
	readonly destinations: readonly Destination[];
	readonly clock: Clock;
	readonly onFault: (error: unknown, what: string) => void;
}

export interface Publisher {
	/** Something was written into the outbox. */
	wake(): void;
	close(): Promise<void>;
}

/** Events that are on their way to the broker at a time. */
const batchMax = 64;
/** When the broker did not take them all, they are tried again after so long, ms. */
const retryMs = 200;
const persistent = { deliveryMode: 2, contentType: eventContentType, type: eventType };

export function createPublisher({ outbox, channel, destinations, clock, onFault }: PublisherOptions): Publisher {
	const closing = new AbortController();
	let wake = () => {};

	/** To every destination; where one refuses, all are told again, and those who know the event's id drop it. */
	async function publish(event: SkuProcessed): Promise<void> {
		await Promise.all(
			destinations.map((to) =>
				channel.publish(
					{
						...to,
						body: encodeEvent(event),
						messageId: event.id,
						properties: { ...persistent, timestamp: Math.floor(clock.now() / 1000) },
					},
					closing.signal,
				),
			),
		);
		outbox.remove(event.id);
	}

	async function run(): Promise<void> {
		while (!closing.signal.aborted) {
			const woken = new Promise<void>((resolve) => {
				wake = resolve;
			});
			const events = outbox.next(batchMax);
			if (events.length === 0) {
				await woken;
				continue;
			}
			const failed = (await Promise.allSettled(events.map(publish))).find(({ status }) => status === "rejected");
			if (failed === undefined || closing.signal.aborted) continue;
			onFault((failed as PromiseRejectedResult).reason, "not every event was taken; they are published again");
			await clock.sleep(retryMs, closing.signal).catch(() => {
				// Closed while it paused: the outbox keeps them.
			});
		}
	}

	const running = run();
	return {
		wake: () => wake(),
		close() {
			closing.abort();
			wake();
			return running;
		},
	};
}
