// Keeps rows in memory that are read again soon: those that wait to be given out for the first time, and those that are
// being worked on. So a payment without trouble is written three times, and read once: to see whether its id is new.
import { ChurnMap } from "../../churn.ts";
import type { Row, Rows } from "./rows.ts";

export interface RowCacheBounds {
	/** Rows that are worked on; about as many as consumers hold, at 0.3 KB each. */
	readonly keptMax: number;
	/** Rows that wait. Where more do, they are read when their turn comes. */
	readonly tailMax: number;
}

const rowCacheBounds: RowCacheBounds = { keptMax: 4096, tailMax: 4096 };

export function withRowCache(rows: Rows, { keptMax, tailMax } = rowCacheBounds): Rows {
	const kept = new ChurnMap<string, Row>();
	/** The newest rows that were inserted as accepted, in order. Nothing else changes them before `open` gives them out. */
	let tail: Row[] = [];
	/** All open rows after this one are in the tail; infinite where it is not known. */
	let tailAfter = Number.POSITIVE_INFINITY;

	function keep(row: Row): void {
		kept.delete(row.payment.id);
		kept.set(row.payment.id, row);
		if (kept.size > keptMax) for (const oldest of kept.keys()) return void kept.delete(oldest);
	}

	function forgetTail(): void {
		tail = [];
		tailAfter = Number.POSITIVE_INFINITY;
	}

	/** Rows after the given one; what lies up to it was given out. */
	function fromTail(after: number, max: number): Row[] {
		const first = tail.findIndex(({ seq }) => seq > after);
		tail = first === -1 ? [] : tail.slice(first);
		tailAfter = after;
		return tail.slice(0, max);
	}

	return {
		...rows,
		insert(payment) {
			const row = rows.insert(payment);
			if (tail.length >= tailMax) forgetTail();
			if (payment.state !== "accepted") return row;
			tailAfter = Math.min(tailAfter, row.seq - 1);
			tail.push(row);
			return row;
		},
		open(after, upTo, max) {
			const known = after >= tailAfter && upTo === Number.MAX_SAFE_INTEGER;
			const found = known ? fromTail(after, max) : rows.open(after, upTo, max);
			for (const row of found) keep(row);
			return found;
		},
		get: (id) => kept.get(id) ?? rows.get(id),
		update(row) {
			rows.update(row);
			const { id, state } = row.payment;
			if (state === "accepted" || state === "in_flight") keep(row);
			else kept.delete(id);
		},
		forgetAll() {
			kept.clear();
			forgetTail();
			return rows.forgetAll();
		},
	};
}
