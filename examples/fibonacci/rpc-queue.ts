// The queue that the requests go to, in the two shapes that the tutorial has given it over the years.
import type { Options } from "amqplib";
import type { ChannelSession } from "../../src/amqp/channel.ts";

export const rpcQueue = "rpc_queue";

/** `transient`: until 2026, and in the tutorials of other languages. `quorum`: since, because RabbitMQ 4.3 refuses the other. */
export type QueueKind = "transient" | "quorum";

const shapes: Record<QueueKind, Options.AssertQueue> = {
	transient: { durable: false },
	quorum: { durable: true, arguments: { "x-queue-type": "quorum" } },
};

const preconditionFailed = 406;

/**
 * Declares the queue in the wanted shape. Whoever declares it first decides: where it is there in the other shape, the broker
 * closes the channel, and the next channel asks for that one.
 */
export function declareRpcQueue(name: string, wanted: QueueKind): (session: ChannelSession) => Promise<void> {
	let kind = wanted;
	return async ({ channel }) => {
		try {
			await channel.assertQueue(name, shapes[kind]);
		} catch (error) {
			if ((error as { code?: number }).code === preconditionFailed)
				kind = kind === "transient" ? "quorum" : "transient";
			throw error;
		}
	};
}
