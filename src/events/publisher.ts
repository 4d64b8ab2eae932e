// Publishes the outbox: every event at least once, those of one payment in their order, and none ahead of the ledger.
//
// What stands in the outbox is on disk with what it tells, so it can be told. A batch of events is handed to the broker
// at once; what becomes true meanwhile is the next batch. Of one payment's events the next is sent only when the one
// before is confirmed: else a broker that refuses the first and takes the second would turn them round. What was not
// confirmed is sent again after a pause, under the same id, until it is: the outbox keeps it over restarts. What was
// confirmed leaves the outbox a little later, in a batch, because that costs a commit; a publisher that is killed before
// then publishes those events twice.
import { type Backoff, equalBackoffMs } from "../backoff.ts";
import { ChurnSet } from "../churn.ts";
import type { Clock } from "../clock.ts";
import type { EventType, PaymentEvent } from "../payment/event.ts";
import type { CloudEvent } from "./cloud-event.ts";
import { eventSource, toCloudEvent } from "./payment-event.ts";

/** Where the events come from. Rejects only when it has failed for good. */
export interface Outbox {
	readonly storeId: string;
	/** Events after this number, oldest first. */
	readOutbox(afterSeq: number, max: number): Promise<PaymentEvent[]>;
	forgetOutbox(upToSeq: number): Promise<void>;
	/** Calls `grew` whenever there may be more to read; returns how to stop that. */
	watchOutbox(grew: () => void): () => void;
	figures(): Promise<{ readonly outboxDepth: number; readonly outboxOldestMs: number }>;
}

/**
 * Resolves when the broker has confirmed the event, be there a queue for it or not. Rejects where that is not known, and
 * where `signal` aborts before it was sent. Calls begin in the order of the events.
 */
export type PublishEvent = (event: CloudEvent, routingKey: EventType, signal: AbortSignal) => Promise<void>;

export interface PublisherOptions {
	readonly outbox: Outbox;
	readonly publish: PublishEvent;
	readonly clock: Clock;
	readonly random?: () => number;
	/** Told of the first failure of each batch; `failures` have come in a row. */
	readonly onRefused: (cause: unknown, failures: number) => void;
	/** Told once that the outbox has failed: nothing more will be published. */
	readonly onFailed: (cause: unknown) => void;
	readonly bounds?: Partial<PublisherBounds>;
}

export interface PublisherBounds {
	/** Events that are not confirmed, at any time. */
	readonly unconfirmedMax: number;
	/** Confirmed events that may stand in the outbox, and for how long, before they are forgotten together. */
	readonly forgetMax: number;
	readonly forgetWithinMs: number;
	/** After a batch that was not confirmed. */
	readonly pause: Backoff;
	/** How long confirms are waited for at the end. */
	readonly closeMs: number;
}

const publisherBounds: PublisherBounds = {
	unconfirmedMax: 256,
	forgetMax: 256,
	forgetWithinMs: 1_000,
	pause: { baseMs: 50, maxMs: 5_000 },
	closeMs: 2_000,
};

export interface PublisherFigures {
	/** Confirmed since the start. */
	readonly published: number;
	/** Sent once more, since the start. */
	readonly retried: number;
	/** Events in the outbox, and the age of the oldest: above `forgetMax` and `forgetWithinMs` they are late. */
	readonly outboxDepth: number;
	readonly outboxOldestMs: number;
}

export interface Publisher {
	figures(): Promise<PublisherFigures>;
	/**
	 * Sends nothing more, waits for what was sent, and forgets what is confirmed. To be called before the store closes;
	 * rejects where the outbox has failed meanwhile.
	 */
	close(): Promise<void>;
}

export function createPublisher(options: PublisherOptions): Publisher {
	const { outbox, publish, clock, random = Math.random, onRefused, onFailed } = options;
	const bounds = { ...publisherBounds, ...options.bounds };
	const source = eventSource(outbox.storeId);
	const closing = new AbortController();
	/** Every event up to this one is confirmed; of those after it, the ones of the last batch in `confirmed` are, too. */
	let confirmedUpTo = 0;
	const confirmed = new ChurnSet<number>();
	/** Sent, and not known to be confirmed. */
	const sent = new ChurnSet<number>();
	let published = 0;
	let retried = 0;
	let failed = false;
	let forgottenUpTo = 0;
	let cancelForget: (() => void) | undefined;
	let grown = false;
	let wake = (): void => {};
	const unwatch = outbox.watchOutbox(() => {
		grown = true;
		wake();
	});

	function fail(cause: unknown): void {
		if (failed || closing.signal.aborted) return;
		failed = true;
		closing.abort(cause);
		onFailed(cause);
	}

	async function send(event: PaymentEvent): Promise<void> {
		closing.signal.throwIfAborted();
		if (sent.has(event.seq)) retried++;
		sent.add(event.seq);
		await publish(toCloudEvent(event, source), event.type, closing.signal);
		sent.delete(event.seq);
		confirmed.add(event.seq);
		published++;
	}

	/** Resolves when each is confirmed or has failed; rejects with the first failure then. */
	async function sendAll(events: readonly PaymentEvent[]): Promise<void> {
		const lastOf = new Map<string, Promise<void>>();
		const sending = events.map((event) => {
			const before = lastOf.get(event.paymentId);
			const own = before ? before.then(() => send(event)) : send(event);
			lastOf.set(event.paymentId, own);
			return own;
		});
		const first = (await Promise.allSettled(sending)).find(({ status }) => status === "rejected");
		if (first?.status === "rejected") throw first.reason;
	}

	function advance(events: readonly PaymentEvent[]): void {
		for (const { seq } of events) {
			if (!confirmed.delete(seq)) break;
			confirmedUpTo = seq;
		}
		// At the end, what is confirmed is forgotten once.
		if (closing.signal.aborted) return;
		if (confirmedUpTo - forgottenUpTo >= bounds.forgetMax) forget();
		else if (confirmedUpTo > forgottenUpTo) cancelForget ??= clock.after(bounds.forgetWithinMs, forget);
	}

	function forget(): void {
		cancelForget?.();
		cancelForget = undefined;
		forgottenUpTo = confirmedUpTo;
		outbox.forgetOutbox(confirmedUpTo).catch(fail);
	}

	async function untilGrown(): Promise<void> {
		if (grown || closing.signal.aborted) return;
		await new Promise<void>((resolve) => {
			wake = resolve;
		});
	}

	async function run(): Promise<void> {
		let failures = 0;
		while (!closing.signal.aborted) {
			grown = false;
			const events = await outbox.readOutbox(confirmedUpTo, bounds.unconfirmedMax);
			if (events.length === 0) {
				await untilGrown();
				continue;
			}
			try {
				await sendAll(events.filter(({ seq }) => !confirmed.has(seq)));
				failures = 0;
			} catch (cause) {
				if (!closing.signal.aborted) onRefused(cause, ++failures);
			}
			advance(events);
			// Cut short by the end, which the loop sees.
			if (failures > 0)
				await clock.sleep(equalBackoffMs(bounds.pause, failures - 1, random), closing.signal).catch(() => undefined);
		}
	}
	const ended = run().catch(fail);

	return {
		async figures() {
			const { outboxDepth, outboxOldestMs } = await outbox.figures();
			return { published, retried, outboxDepth, outboxOldestMs };
		},
		async close() {
			closing.abort(new Error("the publisher is closing"));
			unwatch();
			wake();
			const over = new AbortController();
			const waited = clock.sleep(bounds.closeMs, over.signal).catch(() => undefined);
			await Promise.race([ended, waited]);
			over.abort();
			cancelForget?.();
			if (confirmedUpTo > forgottenUpTo && !failed) await outbox.forgetOutbox(confirmedUpTo);
		},
	};
}
