// A channel that is there again after every loss: it declares and consumes anew, and publishes with confirms.
import { type ChannelModel, type ConfirmChannel, type ConsumeMessage, IllegalOperationError } from "amqplib";
import type { Clock } from "../clock.ts";
import type { AmqpCounters } from "./counters.ts";
import { type Delivery, type Publication, PublishError, type PublishFailure, propertiesBytes } from "./message.ts";
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

export interface ChannelBounds {
	/** Publications under way at the broker, and the bytes of their bodies. */
	readonly unconfirmedMax: number;
	readonly unconfirmedMaxBytes: number;
	/** Publications that wait for a channel, or for one of those to be confirmed, and the bytes of their bodies. */
	readonly waitingMax: number;
	readonly waitingMaxBytes: number;
	/** How long closing waits for confirms, ms: they never come while the broker takes no messages. */
	readonly closeMs: number;
}

export const channelBounds: ChannelBounds = {
	unconfirmedMax: 1024,
	unconfirmedMaxBytes: 16 * 1024 * 1024,
	waitingMax: 8192,
	waitingMaxBytes: 64 * 1024 * 1024,
	closeMs: 1_000,
};

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
	/** Resolves when all that waits to be published now has been sent; `undefined` when nothing waits. For whoever can wait. */
	room(signal?: AbortSignal): Promise<void> | undefined;
	/** Waits for the confirms that are still to come, then closes. */
	close(): Promise<void>;
}

/** What the connection does with a channel. */
export interface KeptChannel extends AmqpChannel {
	open(model: ChannelModel): Promise<void>;
	setBlocked(blocked: boolean): void;
}

interface Waiting {
	readonly bytes: number;
	readonly send: () => void;
	readonly fail: (error: unknown) => void;
}

/** A frame's own bytes, and those of a header frame before its properties. */
const headerFrameBytes = 8 + 14;

export interface ChannelPorts {
	readonly counters: AmqpCounters;
	readonly clock: Clock;
	/** Asked for when the channel was lost; does nothing where its connection was. */
	readonly reopen: () => void;
}

export function keepChannel(options: ChannelOptions, { counters, clock, reopen }: ChannelPorts): KeptChannel {
	const bounds = { ...channelBounds, ...options.bounds };
	const waiting = new Set<Waiting>();
	const returned = new Map<string, string>();
	let session: ChannelSession | undefined;
	/** The connection that the present channel belongs to, from before it is open. */
	let openOn: ChannelModel | undefined;
	let frameMaxBytes = Number.POSITIVE_INFINITY;
	let unconfirmed = 0;
	let unconfirmedBytes = 0;
	let waitingBytes = 0;
	let blocked = false;
	let closed = false;
	let quiet = () => {};

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
		let cause: Error | undefined;
		const opened = createSession(channel, counters, (error) => {
			cause ??= error;
			channel.close().catch(() => {
				// It has gone already, and that is what was wanted.
			});
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
			// One that was never set up is tried again by whoever opened it.
			if (session !== opened) return;
			session = undefined;
			openOn = undefined;
			returned.clear();
			options.onLost?.(error);
			if (!closed) reopen();
		});
		await Promise.race([setUp(channel, opened), lost]);
		if (closed) return opened.reopen(new Error("closed"));
		session = opened;
		frameMaxBytes = frameMaxOf(model);
		pump();
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

	function full(): boolean {
		return (
			session === undefined ||
			blocked ||
			unconfirmed >= bounds.unconfirmedMax ||
			unconfirmedBytes >= bounds.unconfirmedMaxBytes
		);
	}

	function pump(): void {
		for (const entry of waiting) {
			if (full()) return;
			leave(entry);
			entry.send();
		}
	}

	function leave(entry: Waiting): void {
		if (waiting.delete(entry)) waitingBytes -= entry.bytes;
	}

	/** Runs `send` in its turn. */
	function wait(
		bytes: number,
		signal: AbortSignal | undefined,
		send: () => void,
		reject: (error: unknown) => void,
	): void {
		if (signal?.aborted) {
			reject(signal.reason);
			return;
		}
		const give = () => {
			leave(entry);
			reject(signal?.reason);
		};
		const entry: Waiting = {
			bytes,
			send() {
				signal?.removeEventListener("abort", give);
				send();
			},
			fail(error) {
				signal?.removeEventListener("abort", give);
				reject(error);
			},
		};
		signal?.addEventListener("abort", give, { once: true });
		waiting.add(entry);
		waitingBytes += bytes;
	}

	function turn(signal: AbortSignal | undefined): Promise<void> {
		return new Promise((resolve, reject) => {
			if (closed) reject(closedError());
			else wait(0, signal, resolve, reject);
		});
	}

	function confirmed(
		{ messageId, body }: Publication,
		error: Error | null,
		done: () => void,
		failed: (error: unknown) => void,
	): void {
		unconfirmed--;
		unconfirmedBytes -= body.byteLength;
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
		const headerBytes = headerFrameBytes + propertiesBytes(properties) + messageId.length;
		// The broker would close the connection, and all that goes over it would suffer.
		if (headerBytes > frameMaxBytes) {
			failed(new PublishError("unwritable", `${headerBytes} bytes of properties do not fit a frame`));
			return;
		}
		try {
			session!.channel.publish(
				exchange,
				routingKey,
				Buffer.from(body.buffer, body.byteOffset, body.byteLength),
				{ ...properties, messageId, mandatory: true },
				(error: Error | null) => confirmed(publication, error, done, failed),
			);
			unconfirmed++;
			unconfirmedBytes += body.byteLength;
			counters.published++;
		} catch (error) {
			// Properties that cannot be encoded: nothing of it was sent.
			failed(new PublishError("unwritable", (error as Error).message, { cause: error }));
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
				if (closed) return reject(closedError());
				if (signal?.aborted) return reject(signal.reason);
				const bytes = publication.body.byteLength;
				if (waiting.size === 0 && !full()) return send(publication, resolve, reject);
				if (waiting.size >= bounds.waitingMax || waitingBytes + bytes > bounds.waitingMaxBytes)
					return reject(new PublishError("crowded", `${waiting.size} messages wait to be published`));
				wait(bytes, signal, () => send(publication, resolve, reject), reject);
			});
		},
		ready: (signal) => (session === undefined ? turn(signal) : Promise.resolve()),
		room: (signal) => (waiting.size === 0 && !full() ? undefined : turn(signal)),
		async close() {
			if (closed) return;
			closed = true;
			for (const entry of waiting) entry.fail(closedError());
			waiting.clear();
			waitingBytes = 0;
			const end = async () => {
				if (unconfirmed > 0 && session !== undefined)
					await new Promise<void>((resolve) => {
						quiet = resolve;
					});
				await session?.channel.close();
			};
			await within(bounds.closeMs, clock, end()).catch(() => {
				// The connection went first.
			});
		},
	};
}

function closedError(): PublishError {
	return new PublishError("crowded", "the channel to the broker is closed");
}

/** What was agreed with the broker; the library's types do not tell of it. */
function frameMaxOf(model: ChannelModel): number {
	return (model.connection as unknown as { readonly frameMax: number }).frameMax;
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
			return (await channel.consume(queue, onMessage, { noAck })).consumerTag;
		},
	};
}
