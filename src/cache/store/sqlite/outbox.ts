// The outbox as a table: written at one end with what it tells, and emptied at the other.
import type { DatabaseSync } from "node:sqlite";
import { type EventType, eventTypes, type PaymentEvent } from "../../../payment/event.ts";
import { paymentIdFromBytes, paymentIdToBytes } from "../../../payment/payment.ts";
import type { Marks, Rows } from "../rows.ts";
import { sumOf, sumOfText } from "./sum.ts";

interface Columns {
	readonly seq: number;
	readonly payment: Uint8Array;
	readonly type: number;
	readonly time_us: number;
	readonly traceparent: string | null;
	readonly sum: number;
}

export function createOutbox(db: DatabaseSync): Pick<Rows, "announce" | "outbox" | "forgetEvents"> {
	const insert = db.prepare(
		"INSERT INTO outbox (seq, payment, type, time_us, traceparent, sum) VALUES (?, ?, ?, ?, ?, ?)",
	);
	const between = db.prepare("SELECT * FROM outbox WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?");
	const forget = db.prepare("DELETE FROM outbox WHERE seq <= ?");
	return {
		announce({ seq, type, paymentId, timeUs, traceparent = null }: Written) {
			const id = paymentIdToBytes(paymentId);
			const code = eventTypes.indexOf(type);
			insert.run(seq, id, code, timeUs, traceparent, sumOfEvent(id, code, timeUs, traceparent));
		},
		outbox: (after, upTo, max) => (between.all(after, upTo, max) as unknown as Columns[]).map(toEvent),
		forgetEvents: (upTo) => void forget.run(upTo),
	};
}

type Written = Omit<PaymentEvent, "traceparent"> & { readonly traceparent?: string | null };

/** Throws where the columns are not what was written. */
function toEvent(columns: Columns): PaymentEvent {
	if (!isIntact(columns)) throw new Error(`event ${columns.seq} is damaged in the database`);
	return {
		seq: columns.seq,
		type: eventTypes[columns.type] as EventType,
		paymentId: paymentIdFromBytes(columns.payment),
		timeUs: columns.time_us,
		...(columns.traceparent !== null && { traceparent: columns.traceparent }),
	};
}

const isIntact = ({ payment, type, time_us, traceparent, sum }: Columns): boolean =>
	payment.length === 16 && sum === sumOfEvent(payment, type, time_us, traceparent);

/** Nothing else holds the id, so it is in the sum, in parts that each are exact. */
function sumOfEvent(id: Uint8Array, type: number, timeUs: number, traceparent: string | null): number {
	const parts = [0, 4, 8, 12].map(
		(at) => ((id[at]! << 24) | (id[at + 1]! << 16) | (id[at + 2]! << 8) | id[at + 3]!) >>> 0,
	);
	return sumOf([...parts, type, timeUs]) + sumOfText(traceparent);
}

/** Whether the outbox holds what the marks say, each event as it was written. Reads all of it. */
export function outboxIsWhole(db: DatabaseSync, { eventSeq, eventsForgotten }: Marks): boolean {
	let last = eventsForgotten;
	for (const row of db.prepare("SELECT * FROM outbox ORDER BY seq").iterate() as Iterable<unknown> as Iterable<Columns>)
		if (row.seq !== ++last || !isIntact(row)) return false;
	return last === eventSeq;
}
