// A channel that is there again after every loss: it declares and consumes anew, and publishes with confirms.
import type { ChannelModel, ConfirmChannel, ConsumeMessage } from "amqplib";
import type { AmqpCounters } from "./counters.ts";
import { type Delivery, type Publication, PublishError, type PublishFailure } from "./message.ts";

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

export interface ChannelBounds {
	/** Publications under way at the broker. */
	readonly unconfirmedMax: number;
	/** Publications that wait for a channel, or for one of those to be confirmed. */
	readonly waitingMax: number;
}

export const channelBounds: ChannelBounds = { unconfirmedMax: 1024, waitingMax: 8192 };

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

export interface AmqpChannel {
	/** Resolves once a queue has it for sure; rejects with a PublishError, or with the signal's reason while it waits to be sent. */
	publish(publication: Publication, signal?: AbortSignal): Promise<void>;
	/** The session that is open now. */
	readonly session: ChannelSession | undefined;
	/** Resolves when a session is open. */
	ready(signal?: AbortSignal): Promise<void>;
	/** Waits for the confirms that are still to come, then closes. */
	close(): Promise<void>;
}

/** What the connection does with a channel. */
export interface KeptChannel extends AmqpChannel {
	open(model: ChannelModel): Promise<void>;
	setBlocked(blocked: boolean): void;
}

interface Waiting {
	readonly send: () => void;
	readonly fail: (error: unknown) => void;
}

/** `reopen` is asked for when the broker has closed this channel alone. */
export function keepChannel(options: ChannelOptions, counters: AmqpCounters, reopen: () => void): KeptChannel {
	const { unconfirmedMax, waitingMax } = { ...channelBounds, ...options.bounds };
	const waiting = new Set<Waiting>();
	const returned = new Map<string, string>();
	let session: ChannelSession | undefined;
	/** The connection that the present channel belongs to, from before it is open. */
	let opening: ChannelModel | undefined;
	let unconfirmed = 0;
	let blocked = false;
	let closed = false;
	let quiet = () => {};

	const open = async (model: ChannelModel): Promise<void> => {
		if (closed || opening === model) return;
		opening = model;
		const channel = await model.createConfirmChannel();
		let cause: Error | undefined;
		let connectionLost = false;
		const opened = createSession(channel, counters, (error) => {
			cause ??= error;
			channel.close().catch(() => {
				// It has gone already, and that is what was wanted.
			});
		});
		model.once("close", () => {
			connectionLost = true;
		});
		channel.on("error", (error: Error) => {
			cause ??= error;
		});
		channel.on("return", ({ properties, fields }) => {
			const { replyCode, replyText } = fields as unknown as { replyCode: number; replyText: string };
			returned.set(properties.messageId, `${replyCode} ${replyText}`);
		});
		const lost = new Promise<never>((_, reject) => {
			channel.on("close", () => {
				cause ??= new Error("the channel to the broker has closed");
				reject(cause);
			});
		});
		lost.catch((error: Error) => {
			if (opening === model) opening = undefined;
			// One that was never set up is tried again by whoever opened it.
			if (session !== opened) return;
			session = undefined;
			returned.clear();
			options.onLost?.(error);
			if (closed || connectionLost) return;
			counters.channelsClosed++;
			reopen();
		});
		await Promise.race([setUp(channel, opened), lost]);
		session = opened;
		pump();
	};

	async function setUp(channel: ConfirmChannel, opened: ChannelSession): Promise<void> {
		try {
			await channel.prefetch(options.prefetch);
			await options.setup?.(opened);
		} catch (error) {
			opened.reopen(error as Error);
			throw error;
		}
	}

	function pump(): void {
		for (const entry of waiting) {
			if (session === undefined || blocked || unconfirmed >= unconfirmedMax) return;
			waiting.delete(entry);
			entry.send();
		}
	}

	function confirmed(messageId: string, error: Error | null, done: () => void, failed: (error: unknown) => void): void {
		unconfirmed--;
		const why = returned.get(messageId);
		if (why !== undefined) returned.delete(messageId);
		if (error === null && why === undefined) {
			counters.confirmed++;
			done();
		} else failed(failure(error, why));
		if (waiting.size > 0) pump();
		if (unconfirmed === 0) quiet();
	}

	function failure(error: Error | null, returned: string | undefined): PublishError {
		if (returned !== undefined) {
			counters.unroutable++;
			return new PublishError("unroutable", `no queue took the message: ${returned}`);
		}
		const nacked = error?.message === "message nacked";
		if (nacked) counters.refused++;
		else counters.unconfirmed++;
		const [kind, text]: [PublishFailure, string] = nacked
			? ["refused", "the queue refused the message"]
			: ["lost", "the broker was lost before it confirmed the message"];
		return new PublishError(kind, text, { cause: error });
	}

	function send(publication: Publication, done: () => void, failed: (error: unknown) => void): void {
		const { exchange, routingKey, body, messageId, properties } = publication;
		try {
			session!.channel.publish(
				exchange,
				routingKey,
				Buffer.from(body.buffer, body.byteOffset, body.byteLength),
				{ ...properties, messageId, mandatory: true },
				(error: Error | null) => confirmed(messageId, error, done, failed),
			);
			unconfirmed++;
			counters.published++;
		} catch (error) {
			// Properties that cannot be encoded: nothing of it was sent.
			failed(error);
		}
	}

	return {
		open,
		get session() {
			return session;
		},
		setBlocked(value) {
			blocked = value;
			pump();
		},
		publish(publication, signal) {
			return new Promise((resolve, reject) => {
				if (closed) return reject(new PublishError("crowded", "the channel to the broker is closed"));
				if (signal?.aborted) return reject(signal.reason);
				if (waiting.size === 0 && session !== undefined && !blocked && unconfirmed < unconfirmedMax)
					return send(publication, resolve, reject);
				if (waiting.size >= waitingMax)
					return reject(new PublishError("crowded", `${waitingMax} messages wait to be published`));
				const leave = () => {
					waiting.delete(entry);
					reject(signal?.reason);
				};
				const entry: Waiting = {
					send() {
						signal?.removeEventListener("abort", leave);
						send(publication, resolve, reject);
					},
					fail(error) {
						signal?.removeEventListener("abort", leave);
						reject(error);
					},
				};
				signal?.addEventListener("abort", leave, { once: true });
				waiting.add(entry);
			});
		},
		ready(signal) {
			if (session !== undefined) return Promise.resolve();
			return new Promise((resolve, reject) => {
				const leave = () => {
					waiting.delete(entry);
					reject(signal?.reason);
				};
				const entry: Waiting = {
					send() {
						signal?.removeEventListener("abort", leave);
						resolve();
					},
					fail: reject,
				};
				if (signal?.aborted) return reject(signal.reason);
				signal?.addEventListener("abort", leave, { once: true });
				waiting.add(entry);
			});
		},
		async close() {
			if (closed) return;
			closed = true;
			for (const entry of waiting) entry.fail(new PublishError("crowded", "the channel to the broker is closed"));
			waiting.clear();
			if (unconfirmed > 0 && session !== undefined)
				await new Promise<void>((resolve) => {
					quiet = resolve;
				});
			await session?.channel.close().catch(() => {
				// The connection went first.
			});
		},
	};
}

function createSession(
	channel: ConfirmChannel,
	counters: AmqpCounters,
	reopen: ChannelSession["reopen"],
): ChannelSession {
	let open = true;
	channel.on("close", () => {
		open = false;
	});
	const settle = (act: () => void): boolean => {
		if (open) act();
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
			return (await channel.consume(queue, onMessage, { noAck })).consumerTag;
		},
	};
}
