// What is told of a payment to whoever listens: that it was accepted, processed, or parked. Nothing but its id.
import type { Payment } from "./life.ts";

/** A type's code in a store is its place here: never change the order. */
export const eventTypes = ["payment.accepted", "payment.processed", "payment.parked"] as const;

export type EventType = (typeof eventTypes)[number];

export interface PaymentEvent {
	/** Its number: rises with the order in which events became true, over all payments, and never comes twice. */
	readonly seq: number;
	readonly type: EventType;
	readonly paymentId: string;
	readonly timeUs: number;
}

/**
 * What a step in a payment's life makes true: `before` is undefined for a payment that was not known. A payment is
 * accepted once and processed once; it is parked each time that it gets there, which a person's `retry` can repeat.
 */
export function eventOf(before: Payment | undefined, after: Payment): EventType | undefined {
	if (!before) return "payment.accepted";
	if (before.state === after.state) return undefined;
	if (after.state === "settled") return "payment.processed";
	return after.state === "parked" ? "payment.parked" : undefined;
}
