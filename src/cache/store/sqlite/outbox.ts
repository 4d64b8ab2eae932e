// The outbox as a table: written at one end with what it tells, and emptied at the other.
import type { DatabaseSync } from "node:sqlite";
import { type EventType, eventTypes, type PaymentEvent } from "../../../payment/event.ts";
import { paymentIdFromBytes, paymentIdToBytes } from "../../../payment/payment.ts";
import type { Marks, Rows } from "../rows.ts";
import { limited } from "./limited.ts";
import { sumOf } from "./sum.ts";

/** As SQLite has them: an integer that damage has made longer than a double shall be noticed like any other. */
interface Columns {
	readonly seq: bigint;
	readonly payment: Uint8Array;
	readonly type: bigint;
	readonly time_us: bigint;
	readonly sum: bigint;
}

type OutboxRows = Pick<Rows, "announce" | "outbox" | "forgetEvents">;

/** `damaged` makes the error to be thrown where an event is not what was written. */
export function createOutbox(db: DatabaseSync, damaged: (seq: number) => Error): OutboxRows {
	// The column `traceparent` has been NULL in every store: a payment's own trace is not known on streams of batches.
	const insert = db.prepare("INSERT INTO outbox (seq, payment, type, time_us, sum) VALUES (?, ?, ?, ?, ?)");
	const between = db.prepare(`SELECT * FROM outbox WHERE seq > ? AND seq <= ? ORDER BY seq ${limited}`);
	between.setReadBigInts(true);
	const forget = db.prepare("DELETE FROM outbox WHERE seq <= ?");
	return {
		announce({ seq, type, paymentId, timeUs }) {
			const id = paymentIdToBytes(paymentId);
			const code = eventTypes.indexOf(type);
			insert.run(seq, id, code, timeUs, sumOfEvent(id, code, timeUs));
		},
		outbox: (after, upTo, max) => {
			const found = between.all(after, upTo, max) as unknown as Columns[];
			return found.map((columns) => {
				if (!isIntact(columns)) throw damaged(Number(columns.seq));
				return toEvent(columns);
			});
		},
		forgetEvents: (upTo) => void forget.run(upTo),
	};
}

function toEvent({ seq, type, payment, time_us }: Columns): PaymentEvent {
	return {
		seq: Number(seq),
		type: eventTypes[Number(type)] as EventType,
		paymentId: paymentIdFromBytes(payment),
		timeUs: Number(time_us),
	};
}

const isIntact = ({ payment, type, time_us, sum }: Columns): boolean =>
	payment.length === 16 && Number(sum) === sumOfEvent(payment, Number(type), Number(time_us));

/** Nothing else holds the id, so it is in the sum, in parts that each are exact. */
function sumOfEvent(id: Uint8Array, type: number, timeUs: number): number {
	const parts = [0, 4, 8, 12].map(
		(at) => ((id[at]! << 24) | (id[at + 1]! << 16) | (id[at + 2]! << 8) | id[at + 3]!) >>> 0,
	);
	return sumOf([...parts, type, timeUs]);
}

/** Whether the outbox holds what the marks say, each event as it was written. Reads all of it. */
export function outboxIsWhole(db: DatabaseSync, { eventSeq, eventsForgotten }: Marks): boolean {
	const all = db.prepare("SELECT * FROM outbox ORDER BY seq");
	all.setReadBigInts(true);
	let last = eventsForgotten;
	for (const row of all.iterate() as Iterable<unknown> as Iterable<Columns>)
		if (Number(row.seq) !== ++last || !isIntact(row)) return false;
	return last === eventSeq;
}
