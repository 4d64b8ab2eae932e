// How many messages wait in queues, asked of the broker.
//
// The broker closes the channel on which somebody looks at a queue that is not there: each queue is looked at on a channel of
// its own, which nothing else goes over.
import type { AmqpConnection } from "../../amqp/connection.ts";
import { within } from "../../amqp/within.ts";
import type { Clock } from "../../clock.ts";

export interface QueueDepths {
	/** By the queues' names, without those that cannot be looked at now. */
	read(): Promise<Readonly<Record<string, number>>>;
	close(): Promise<void>;
}

/** A broker that takes no messages does not answer to a look either, ms. */
const lookMs = 1_000;

export function openQueueDepths(connection: AmqpConnection, queues: readonly string[], clock: Clock): QueueDepths {
	const looks = queues.map((queue) => openLook(connection, queue));
	return {
		async read() {
			if (!connection.connected) return {};
			const all = async () => {
				await Promise.all(looks.map(({ again }) => again()));
			};
			await within(lookMs, clock, all());
			return Object.fromEntries(
				looks.flatMap(({ queue, depth }) => (depth() === undefined ? [] : [[queue, depth()]])),
			) as Record<string, number>;
		},
		async close() {
			await Promise.all(looks.map(({ close }) => close()));
		},
	};
}

function openLook(connection: AmqpConnection, queue: string) {
	const channel = connection.channel({ prefetch: 1 });
	let depth: number | undefined;
	let looking: Promise<void> | undefined;

	async function look(): Promise<void> {
		depth = undefined;
		try {
			await channel.ready();
			depth = (await channel.session?.channel.checkQueue(queue))?.messageCount;
		} catch {
			// It is not there, or the broker is not; the channel is opened again for the next look.
		} finally {
			looking = undefined;
		}
	}

	return {
		queue,
		depth: () => depth,
		/** One at a time: while the broker does not answer, those who ask wait for the same look. */
		again(): Promise<void> {
			looking ??= look();
			return looking;
		},
		close: channel.close,
	};
}
