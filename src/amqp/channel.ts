// A channel that is there again after every loss: it declares and consumes anew, and publishes with confirms.
import { type ChannelModel, type ConfirmChannel, type ConsumeMessage, IllegalOperationError } from "amqplib";
import type { Clock } from "../clock.ts";
import type { AmqpCounters } from "./counters.ts";
import type { Delivery } from "./message.ts";
import { createPublisher, type Publisher, type PublisherBounds, publisherBounds } from "./publisher.ts";
import { frameMaxOf, ignoreAfterClose } from "./untyped.ts";
import { within } from "./within.ts";

export interface ChannelOptions {
	/** Deliveries that may be unacknowledged on each consumer: the concurrency of those who handle them, never unlimited. */
	readonly prefetch: number;
	/**
	 * Declares what is needed and starts consuming; runs on each new channel, before anything is published on it. What it
	 * throws ends the channel, and it is tried again.
	 */
	readonly setup?: (session: ChannelSession) => Promise<void>;
	/** The channel has gone; what was delivered on it and not acknowledged is delivered again, here or elsewhere. */
	readonly onLost?: (cause: Error) => void;
	readonly bounds?: Partial<ChannelBounds>;
}

export interface ChannelBounds extends PublisherBounds {
	/** How long closing waits for confirms, ms: they never come while the broker takes no messages. */
	readonly closeMs: number;
	/** After so long it is told that the broker has not answered to what the channel needs, ms: a queue without a leader never does. */
	readonly setUpSlowMs: number;
}

export const channelBounds: ChannelBounds = { ...publisherBounds, closeMs: 1_000, setUpSlowMs: 5_000 };

export type OnDelivery = (delivery: Delivery) => void;

export interface ConsumeOptions {
	/** What is handed out counts as done: for queues of which nobody else could take it. */
	readonly noAck?: boolean;
}

/** One channel, from its opening to its loss. */
export interface ChannelSession {
	/** For declaring. */
	readonly channel: ConfirmChannel;
	/** Resolves to the consumer's tag. `onGone` is told when the broker ends the consumer, as when its queue is deleted. */
	consume(queue: string, onDelivery: OnDelivery, onGone: () => void, options?: ConsumeOptions): Promise<string>;
	/** Closes this channel, so that it is opened and set up again. */
	reopen(cause: Error): void;
}

export interface AmqpChannel extends Pick<Publisher, "publish" | "ready" | "room"> {
	/** The session that is open now. */
	readonly session: ChannelSession | undefined;
	/** Waits for the confirms that are still to come, then closes. */
	close(): Promise<void>;
}

/** What the connection does with a channel. */
export interface KeptChannel extends AmqpChannel, Pick<Publisher, "setBlocked"> {
	open(model: ChannelModel): Promise<void>;
}

export interface ChannelPorts {
	readonly counters: AmqpCounters;
	readonly clock: Clock;
	/** Asked for when the channel was lost; does nothing where its connection was. */
	readonly reopen: () => void;
	/** Told when it takes long until it is open; that is waited for. */
	readonly onSlow: (cause: Error) => void;
}

export function keepChannel(options: ChannelOptions, { counters, clock, reopen, onSlow }: ChannelPorts): KeptChannel {
	const bounds = { ...channelBounds, ...options.bounds };
	const publisher = createPublisher(bounds, counters);
	let session: ChannelSession | undefined;
	/** The connection that the present channel belongs to, from before it is open. */
	let openOn: ChannelModel | undefined;
	let closed = false;

	const open = async (model: ChannelModel): Promise<void> => {
		if (closed || openOn === model) return;
		openOn = model;
		try {
			await openSession(model);
		} catch (error) {
			if (openOn === model) openOn = undefined;
			throw error;
		}
	};

	async function openSession(model: ChannelModel): Promise<void> {
		const channel = await model.createConfirmChannel();
		ignoreAfterClose(model, channel);
		let cause: Error | undefined;
		const unanswered = new Set<string>();
		const opened = createSession(channel, counters, unanswered, (error) => {
			cause ??= error;
			channel.close().catch(() => {
				// It has gone already, and that is what was wanted.
			});
		});
		channel.on("error", (error: Error) => {
			cause ??= error;
		});
		const lost = new Promise<never>((_, reject) => {
			channel.on("close", () => {
				cause ??= new Error("the channel to the broker has closed");
				reject(cause);
			});
		});
		lost.catch((error: Error) => {
			// One that was never set up is tried again by whoever opened it.
			if (session !== opened) return;
			session = undefined;
			openOn = undefined;
			publisher.detach();
			options.onLost?.(error);
			if (!closed) reopen();
		});
		const cancelSlow = clock.after(bounds.setUpSlowMs, () => {
			const [queue] = unanswered;
			onSlow(new Error(queue === undefined ? "the broker does not answer" : `the queue ${queue} does not answer`));
		});
		try {
			await Promise.race([setUp(channel, opened), lost]);
		} finally {
			cancelSlow();
		}
		if (closed) return opened.reopen(new Error("closed"));
		session = opened;
		publisher.attach(channel, frameMaxOf(model));
	}

	async function setUp(channel: ConfirmChannel, opened: ChannelSession): Promise<void> {
		try {
			await channel.prefetch(options.prefetch);
			await options.setup?.(opened);
		} catch (error) {
			opened.reopen(error as Error);
			throw error;
		}
	}

	return {
		open,
		get session() {
			return session;
		},
		setBlocked: publisher.setBlocked,
		publish: publisher.publish,
		ready: publisher.ready,
		room: publisher.room,
		async close() {
			if (closed) return;
			closed = true;
			const end = async () => {
				await publisher.close();
				await session?.channel.close();
			};
			await within(bounds.closeMs, clock, end()).catch(() => {
				// The connection went first.
			});
		},
	};
}

function createSession(
	channel: ConfirmChannel,
	counters: AmqpCounters,
	/** The queues that were asked to deliver, and have not answered. */
	unanswered: Set<string>,
	reopen: ChannelSession["reopen"],
): ChannelSession {
	let open = true;
	channel.on("close", () => {
		open = false;
	});
	const settle = (act: () => void): boolean => {
		try {
			if (open) act();
		} catch (error) {
			if (!(error instanceof IllegalOperationError)) throw error;
			// It is closing, and has not said so yet.
			open = false;
		}
		return open;
	};
	return {
		channel,
		reopen,
		async consume(queue, onDelivery, onGone, { noAck = false } = {}) {
			const onMessage = (message: ConsumeMessage | null) => {
				if (message === null) return onGone();
				counters.delivered++;
				if (message.fields.redelivered) counters.redelivered++;
				onDelivery({
					message,
					ack: () => settle(() => channel.ack(message)),
					reject: (requeue) => settle(() => channel.reject(message, requeue)),
				});
			};
			unanswered.add(queue);
			const { consumerTag } = await channel.consume(queue, onMessage, { noAck });
			unanswered.delete(queue);
			return consumerTag;
		},
	};
}
