// The ledger's totals as radix buckets over time, so that a window of any width costs a bounded number of rows.
//
// Level 0 has a bucket for each microsecond that has charges; each level above joins the buckets below it by a power of
// two. A window is the whole buckets between its edges, found level by level from both ends: the two edges of a level
// visit at most one bucket's children each, whatever the ledger holds.
import type { DatabaseSync } from "node:sqlite";
import type { Charge } from "../../../payment/life.ts";
import { type Processor, processors } from "../../../payment/payment.ts";
import type { Summary, Totals, Window } from "../store.ts";

/** Widths of the levels' buckets as powers of two of a microsecond: 1 us, 4 ms, 262 ms, 17 s, 18 min, 19 h, 51 days. */
const shifts = [0, 12, 18, 24, 30, 36, 42] as const;
const levelCode = (processor: Processor, level: number) => processors.indexOf(processor) * 16 + level;

export interface Rollup {
	/** Counts a charge; written with `flush`. */
	add(charge: Charge): void;
	/** To be called before the transaction commits. */
	flush(): void;
	summary(window: Window): Summary;
	clear(): void;
}

interface Bucket {
	readonly level: number;
	readonly bucket: number;
	count: number;
	cents: bigint;
}

export function createRollup(db: DatabaseSync): Rollup {
	const upsert = db.prepare(
		`INSERT INTO rollup (level, bucket, count, cents) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET count = count + excluded.count, cents = cents + excluded.cents`,
	);
	const between = db.prepare("SELECT count, cents FROM rollup WHERE level = ? AND bucket BETWEEN ? AND ?");
	between.setReadBigInts(true);
	let pending = new Map<string, Bucket>();

	/** Sums whole buckets of one level, from `first` to `last`, both included. */
	function sum(level: number, first: number, last: number, into: { count: bigint; cents: bigint }): number {
		if (first > last) return 0;
		const found = between.all(level, first, last) as unknown as { count: bigint; cents: bigint }[];
		for (const { count, cents } of found) {
			into.count += count;
			into.cents += cents;
		}
		return found.length;
	}

	function totals(processor: Processor, fromUs: number, toUs: number): { totals: Totals; rowsVisited: number } {
		const into = { count: 0n, cents: 0n };
		let rowsVisited = 0;
		// Buckets `first` to `last` of the level are still to be summed; the level above takes all it can hold whole.
		let first = fromUs;
		let last = toUs;
		for (let level = 0; level < shifts.length && first <= last; level++) {
			const code = levelCode(processor, level);
			const shift = shifts[level + 1];
			if (shift === undefined) {
				rowsVisited += sum(code, first, last, into);
				break;
			}
			const factor = 2 ** (shift - (shifts[level] as number));
			const above = Math.ceil(first / factor);
			const below = Math.floor((last + 1) / factor) - 1;
			if (above > below) {
				rowsVisited += sum(code, first, last, into);
				break;
			}
			rowsVisited += sum(code, first, above * factor - 1, into);
			rowsVisited += sum(code, (below + 1) * factor, last, into);
			first = above;
			last = below;
		}
		return { totals: { count: into.count, amountCents: into.cents }, rowsVisited };
	}

	return {
		add({ processor, requestedAtUs, amountCents }) {
			shifts.forEach((shift, i) => {
				const level = levelCode(processor, i);
				const bucket = Math.floor(requestedAtUs / 2 ** shift);
				const key = `${level}/${bucket}`;
				const found = pending.get(key);
				if (found) {
					found.count++;
					found.cents += amountCents;
				} else pending.set(key, { level, bucket, count: 1, cents: amountCents });
			});
		},
		flush() {
			if (pending.size === 0) return;
			for (const { level, bucket, count, cents } of pending.values()) upsert.run(level, bucket, count, cents);
			pending = new Map();
		},
		summary({ fromUs = 0, toUs = Number.MAX_SAFE_INTEGER }) {
			const [atDefault, atFallback] = processors.map((processor) => totals(processor, fromUs, toUs)) as [
				ReturnType<typeof totals>,
				ReturnType<typeof totals>,
			];
			return {
				totals: { default: atDefault.totals, fallback: atFallback.totals },
				rowsVisited: atDefault.rowsVisited + atFallback.rowsVisited,
			};
		},
		clear() {
			pending = new Map();
			db.exec("DELETE FROM rollup");
		},
	};
}
