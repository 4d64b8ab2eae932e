// A subscriber to what happens to payments, whole: give it a queue's messages, a way to query, and what to do.
//
//   const subscription = await subscribe(intake, {
//     types: ["payment.processed"],
//     query: queryPayment("http://127.0.0.1:9999"),
//     handle: async (event, payment) => sendReceipt(payment),
//     clock, onFault,
//   });
//
// Each message is acknowledged once its event is handled, or known to be handled, or of a type that nobody asked for. One
// that is no event, whose payment cannot be queried within the bounds, or whose handler keeps failing, is rejected: its
// queue's dead-letter exchange takes it, and a person may put it back. Events of the same payment are handled one after
// the other.
//
// An event can arrive again: its publisher and its queue both give it out until they hear that it was taken. The copies
// have the same key, and those within `seen` are dropped. By default that is this process's memory, which forgets at a
// restart and between several processes; and a process can die between the handler's effect and its note of it. So an
// effect that must happen once needs the subscriber's own durable key, written in the same transaction as the effect:
// `event.key`, or the payment's id where one effect a payment is meant. `seen` may look such keys up, which saves the
// query for what is known.
import { type Backoff, equalBackoffMs } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import type { EventType } from "../payment/event.ts";
import { InvalidEvent, parseCloudEvent } from "./cloud-event.ts";
import { fromCloudEvent, type ReceivedEvent } from "./payment-event.ts";
import { createSeen, type Seen } from "./seen.ts";

/** A message of the subscriber's queue: to be acknowledged or rejected once, or left to be delivered again. */
export interface EventDelivery {
	readonly body: Uint8Array;
	readonly contentType: string | undefined;
	readonly redelivered: boolean;
	ack(): void;
	/** Not to be delivered again, but put aside. */
	reject(): void;
}

/**
 * Starts delivering; resolves to how to end that: then nothing more is delivered, and what was can still be
 * acknowledged. It bounds how many deliveries are under way: each may be handled at the same time.
 */
export type Intake = (receive: (delivery: EventDelivery) => void) => Promise<() => Promise<void>>;

export interface SubscriberOptions<P> {
	readonly types: readonly EventType[];
	/** The payment as it is now; undefined where it is not known. Rejects where that cannot be said now. */
	readonly query: (paymentId: string, signal: AbortSignal) => Promise<P | undefined>;
	/** `payment` is as it is now, which can be further than the event says. Resolves when all is done. */
	readonly handle: (event: ReceivedEvent, payment: P) => Promise<void>;
	readonly clock: Clock;
	/** Told why a message is rejected, or why an event could not be noted as handled. */
	readonly onFault: (cause: unknown, event?: ReceivedEvent) => void;
	readonly seen?: Seen;
	readonly random?: () => number;
	readonly bounds?: Partial<SubscriberBounds>;
}

export interface SubscriberBounds {
	/** How often a payment is queried for one event, and the pauses between. */
	readonly queriesMax: number;
	readonly queryPause: Backoff;
	/** How often a handler is called for one event. */
	readonly handlesMax: number;
	readonly handlePause: Backoff;
	/** Events that the memory of handled ones holds. */
	readonly seenMax: number;
}

const subscriberBounds: SubscriberBounds = {
	queriesMax: 8,
	queryPause: { baseMs: 100, maxMs: 5_000 },
	handlesMax: 4,
	handlePause: { baseMs: 200, maxMs: 5_000 },
	seenMax: 10_000,
};

/** Since the start. */
export interface SubscriberFigures {
	received: number;
	redelivered: number;
	handled: number;
	/** Handled before. */
	duplicates: number;
	/** Of types that were not asked for. */
	ignored: number;
	/** Queries and handlers that were tried again. */
	retries: number;
	/** Rejected: no events, payments not found or not to be queried, handlers that failed. */
	invalid: number;
	unqueried: number;
	unhandled: number;
	/** Neither acknowledged nor rejected, because the end came first: they will be delivered again. */
	left: number;
}

export interface Subscription {
	readonly figures: Readonly<SubscriberFigures>;
	/** Takes nothing more, lets handlers end that have begun, and leaves the rest to be delivered again. */
	close(): Promise<void>;
}

export async function subscribe<P>(intake: Intake, options: SubscriberOptions<P>): Promise<Subscription> {
	const { types, query, handle, clock, onFault, random = Math.random } = options;
	const bounds = { ...subscriberBounds, ...options.bounds };
	const seen = options.seen ?? createSeen(bounds.seenMax);
	const closing = new AbortController();
	/** The newest work on each payment; never more than the intake has under way. */
	const newest = new Map<string, Promise<void>>();
	const running = new Set<Promise<void>>();
	const figures: SubscriberFigures = {
		received: 0,
		redelivered: 0,
		handled: 0,
		duplicates: 0,
		ignored: 0,
		retries: 0,
		invalid: 0,
		unqueried: 0,
		unhandled: 0,
		left: 0,
	};

	/** The first result; rejects with the last failure, or at the end of all with the reason of that. */
	async function within<T>(triesMax: number, pause: Backoff, attempt: () => T | Promise<T>): Promise<T> {
		for (let tries = 1; ; tries++) {
			closing.signal.throwIfAborted();
			try {
				return await attempt();
			} catch (cause) {
				if (tries >= triesMax) throw cause;
			}
			await clock.sleep(equalBackoffMs(pause, tries - 1, random), closing.signal);
			figures.retries++;
		}
	}

	async function queryOnce(paymentId: string): Promise<P> {
		const payment = await query(paymentId, closing.signal);
		if (payment === undefined) throw new Error(`payment ${paymentId} is not known`);
		return payment;
	}

	async function process(event: ReceivedEvent, delivery: EventDelivery): Promise<void> {
		let failed: "unqueried" | "unhandled" = "unhandled";
		try {
			if (await within(bounds.handlesMax, bounds.handlePause, () => seen.has(event.key))) {
				figures.duplicates++;
				delivery.ack();
				return;
			}
			failed = "unqueried";
			const payment = await within(bounds.queriesMax, bounds.queryPause, () => queryOnce(event.paymentId));
			failed = "unhandled";
			await within(bounds.handlesMax, bounds.handlePause, () => handle(event, payment));
		} catch (cause) {
			if (closing.signal.aborted) {
				figures.left++;
				return;
			}
			figures[failed]++;
			onFault(cause, event);
			delivery.reject();
			return;
		}
		figures.handled++;
		try {
			await seen.add(event.key);
		} catch (cause) {
			// The effect is there: what is lost is that a copy would be known.
			onFault(cause, event);
		}
		delivery.ack();
	}

	/** The event to handle; undefined where the delivery is done with. */
	function open(delivery: EventDelivery): ReceivedEvent | undefined {
		try {
			const event = fromCloudEvent(parseCloudEvent(delivery.body, delivery.contentType));
			if (event && types.includes(event.type)) return event;
			figures.ignored++;
			delivery.ack();
		} catch (cause) {
			if (!(cause instanceof InvalidEvent)) throw cause;
			figures.invalid++;
			onFault(cause);
			delivery.reject();
		}
		return undefined;
	}

	function receive(delivery: EventDelivery): void {
		figures.received++;
		if (delivery.redelivered) figures.redelivered++;
		const event = open(delivery);
		if (!event) return;
		const { paymentId } = event;
		const before = newest.get(paymentId) ?? Promise.resolve();
		const own = before
			.then(() => process(event, delivery))
			// A delivery that cannot be answered, or a port that throws where it must not: its queue gives it out again.
			.catch((cause: unknown) => onFault(cause, event))
			.finally(() => {
				running.delete(own);
				if (newest.get(paymentId) === own) newest.delete(paymentId);
			});
		running.add(own);
		newest.set(paymentId, own);
	}

	const end = await intake(receive);
	return {
		figures,
		async close() {
			await end();
			closing.abort(new Error("the subscriber is closing"));
			await Promise.all(running);
		},
	};
}
