// Publishes with confirms on whatever channel is open; what cannot be sent yet waits for its turn, within bounds.
import { type ConfirmChannel, IllegalOperationError } from "amqplib";
import type { AmqpCounters } from "./counters.ts";
import { type Publication, PublishError, type PublishFailure, propertiesBytes } from "./message.ts";

export interface PublisherBounds {
	/** Publications under way at the broker, and the bytes of their bodies. */
	readonly unconfirmedMax: number;
	readonly unconfirmedMaxBytes: number;
	/** Publications that wait for a channel, or for one of those to be confirmed, and the bytes of their bodies. */
	readonly waitingMax: number;
	readonly waitingMaxBytes: number;
}

export const publisherBounds: PublisherBounds = {
	unconfirmedMax: 1024,
	unconfirmedMaxBytes: 16 * 1024 * 1024,
	waitingMax: 8192,
	waitingMaxBytes: 64 * 1024 * 1024,
};

export interface Publisher {
	/** Resolves once a queue has it for sure; rejects with a PublishError, or with the signal's reason while it waits to be sent. */
	publish(publication: Publication, signal?: AbortSignal): Promise<void>;
	/** Resolves when a channel is open. */
	ready(signal?: AbortSignal): Promise<void>;
	/** Resolves when all that waits to be published now has been sent; `undefined` when nothing waits. For whoever can wait. */
	room(signal?: AbortSignal): Promise<void> | undefined;
	/** This channel is open: what waits is sent on it. `frameMaxBytes` is what was agreed with the broker. */
	attach(channel: ConfirmChannel, frameMaxBytes: number): void;
	/** It was lost: what comes waits for the next one. */
	detach(): void;
	/** Whether the broker takes no messages for now. */
	setBlocked(blocked: boolean): void;
	/** Gives up what waits and takes nothing more; resolves when the confirms that are still to come have come. */
	close(): Promise<void>;
}

interface Waiting {
	readonly bytes: number;
	/** False where the channel has closed: it goes on waiting. */
	readonly send: () => boolean;
	readonly fail: (error: unknown) => void;
}

/** A frame's own bytes, and those of a header frame before its properties. */
const headerFrameBytes = 8 + 14;

export function createPublisher(bounds: PublisherBounds, counters: AmqpCounters): Publisher {
	const waiting = new Set<Waiting>();
	const returned = new Map<string, string>();
	let channel: ConfirmChannel | undefined;
	let frameMaxBytes = Number.POSITIVE_INFINITY;
	let unconfirmed = 0;
	let unconfirmedBytes = 0;
	let waitingBytes = 0;
	let blocked = false;
	let closed = false;
	let quiet = () => {};

	function full(): boolean {
		return (
			channel === undefined ||
			blocked ||
			unconfirmed >= bounds.unconfirmedMax ||
			unconfirmedBytes >= bounds.unconfirmedMaxBytes
		);
	}

	function pump(): void {
		for (const entry of waiting) {
			if (full() || !entry.send()) return;
			leave(entry);
		}
	}

	function leave(entry: Waiting): void {
		if (waiting.delete(entry)) waitingBytes -= entry.bytes;
	}

	/** Runs `send` in its turn. */
	function wait(
		bytes: number,
		signal: AbortSignal | undefined,
		send: () => boolean,
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
				const sent = send();
				if (sent) signal?.removeEventListener("abort", give);
				return sent;
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
			const come = () => {
				resolve();
				return true;
			};
			if (closed) reject(closedError());
			else wait(0, signal, come, reject);
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

	/** False where the channel has closed: nothing of it was sent. What cannot be sent on any channel has failed. */
	function send(publication: Publication, done: () => void, failed: (error: unknown) => void): boolean {
		const { exchange, routingKey, body, messageId, properties } = publication;
		const headerBytes = headerFrameBytes + propertiesBytes(properties) + messageId.length;
		// The broker would close the connection, and all that goes over it would suffer.
		if (headerBytes > frameMaxBytes) {
			failed(new PublishError("unwritable", `${headerBytes} bytes of properties do not fit a frame`));
			return true;
		}
		try {
			channel!.publish(
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
			if (error instanceof IllegalOperationError) {
				// It is closing, and has not said so yet: what it returned before decides what is told of that when it closes.
				channel = undefined;
				return false;
			}
			failed(new PublishError("unwritable", (error as Error).message, { cause: error }));
		}
		return true;
	}

	return {
		publish(publication, signal) {
			return new Promise((resolve, reject) => {
				if (closed) return reject(closedError());
				if (signal?.aborted) return reject(signal.reason);
				const bytes = publication.body.byteLength;
				if (waiting.size === 0 && !full() && send(publication, resolve, reject)) return;
				if (waiting.size >= bounds.waitingMax || waitingBytes + bytes > bounds.waitingMaxBytes)
					return reject(new PublishError("crowded", `${waiting.size} messages wait to be published`));
				wait(bytes, signal, () => send(publication, resolve, reject), reject);
			});
		},
		ready: (signal) => (channel === undefined ? turn(signal) : Promise.resolve()),
		room: (signal) => (waiting.size === 0 && !full() ? undefined : turn(signal)),
		attach(opened, maxBytes) {
			opened.on("return", ({ properties, fields }) => {
				const { replyCode, replyText } = fields as unknown as { replyCode: number; replyText: string };
				returned.set(properties.messageId, `${replyCode} ${replyText}`);
			});
			channel = opened;
			frameMaxBytes = maxBytes;
			pump();
		},
		detach() {
			channel = undefined;
			returned.clear();
		},
		setBlocked(value) {
			blocked = value;
			pump();
		},
		async close() {
			closed = true;
			for (const entry of waiting) entry.fail(closedError());
			waiting.clear();
			waitingBytes = 0;
			if (unconfirmed > 0 && channel !== undefined)
				await new Promise<void>((resolve) => {
					quiet = resolve;
				});
		},
	};
}

function closedError(): PublishError {
	return new PublishError("closed", "the channel to the broker is closed");
}
