// Keeps the rows of payments that are being worked on in memory, so that a pin and a settle need not read them anew.
import type { Row, Rows } from "./rows.ts";

/** Rows that are kept; about as many as consumers hold, at 0.3 KB each. */
const keptMax = 4096;

/** The rows as they are, with those that `open` gives out kept until their payment has come to rest. */
export function withRowCache(rows: Rows): Rows {
	const kept = new Map<string, Row>();

	function keep(row: Row): void {
		kept.delete(row.payment.id);
		kept.set(row.payment.id, row);
		if (kept.size > keptMax) for (const oldest of kept.keys()) return void kept.delete(oldest);
	}

	return {
		...rows,
		open(after, upTo, max) {
			const found = rows.open(after, upTo, max);
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
			return rows.forgetAll();
		},
	};
}
