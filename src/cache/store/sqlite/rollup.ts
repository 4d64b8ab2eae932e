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

/** Cents are kept in two parts. */
const lowBits = 32n;
const lowMask = 2n ** lowBits - 1n;

export interface Rollup {
	/** Counts a charge; written with `flush`. */
	add(charge: Charge): void;
	/** To be called before the transaction commits. */
	flush(): void;
	summary(window: Window): Summary;
	clear(): void;
}

interface Bucket {
	count: number;
	cents: bigint;
}

/** By the number of the bucket within its level. */
type Buckets = Map<number, Bucket>;

export function createRollup(db: DatabaseSync): Rollup {
	const upsert = db.prepare(
		`INSERT INTO rollup (level, bucket, count, cents_low, cents_high) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET count = count + excluded.count, cents_low = cents_low + excluded.cents_low,
			cents_high = cents_high + excluded.cents_high`,
	);
	const between = db.prepare(
		"SELECT count, cents_low AS low, cents_high AS high FROM rollup WHERE level = ? AND bucket BETWEEN ? AND ?",
	);
	between.setReadBigInts(true);
	/** Of the lowest level; the levels above follow from it when it is written. */
	let pending: readonly Buckets[] = processors.map(() => new Map());

	/** Sums whole buckets of one level, from `first` to `last`, both included. */
	function sum(level: number, first: number, last: number, into: { count: bigint; cents: bigint }): number {
		if (first > last) return 0;
		const found = between.all(level, first, last) as unknown as { count: bigint; low: bigint; high: bigint }[];
		for (const { count, low, high } of found) {
			into.count += count;
			into.cents += (high << lowBits) + low;
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
			const factor = factorAbove(level);
			const above = factor === undefined ? first : Math.ceil(first / factor);
			const below = factor === undefined ? last : Math.floor((last + 1) / factor) - 1;
			if (factor === undefined || above > below) {
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
			count(pending[processors.indexOf(processor)] as Buckets, requestedAtUs, 1, amountCents);
		},
		flush() {
			for (const [i, processor] of processors.entries()) {
				let buckets = pending[i] as Buckets;
				for (let level = 0; buckets.size > 0 && level < shifts.length; level++) {
					const code = levelCode(processor, level);
					for (const [bucket, { count, cents }] of buckets)
						upsert.run(code, bucket, count, cents & lowMask, cents >> lowBits);
					buckets = joined(buckets, factorAbove(level));
				}
				pending[i]?.clear();
			}
		},
		summary({ fromUs = 0, toUs = Number.MAX_SAFE_INTEGER }) {
			const atDefault = totals("default", fromUs, toUs);
			const atFallback = totals("fallback", fromUs, toUs);
			return {
				totals: { default: atDefault.totals, fallback: atFallback.totals },
				rowsVisited: atDefault.rowsVisited + atFallback.rowsVisited,
			};
		},
		clear() {
			pending = processors.map(() => new Map());
			db.exec("DELETE FROM rollup");
		},
	};
}

/** Every level holds every charge, so damage to one shows beside another. */
export function rollupAddsUp(db: DatabaseSync): boolean {
	const modulus = 2 ** 31 - 1;
	const sums = db
		.prepare(
			`SELECT sum(count) % ${modulus} AS count,
			(sum(cents_low % ${modulus}) + sum(cents_high % ${modulus}) * (4294967296 % ${modulus})) % ${modulus} AS cents
			FROM rollup GROUP BY level / 16, level ORDER BY level`,
		)
		.all() as { count: number; cents: number }[];
	return sums.every(({ count, cents }, i) => {
		const lowest = sums[i - (i % shifts.length)]!;
		return count === lowest.count && cents === lowest.cents;
	});
}

/** How many buckets of this level are one of the level above; `undefined` at the top. */
function factorAbove(level: number): number | undefined {
	const shift = shifts[level + 1];
	return shift === undefined ? undefined : 2 ** (shift - (shifts[level] as number));
}

function joined(buckets: Buckets, factor: number | undefined): Buckets {
	const above: Buckets = new Map();
	if (factor !== undefined)
		for (const [bucket, { count: counted, cents }] of buckets)
			count(above, Math.floor(bucket / factor), counted, cents);
	return above;
}

function count(buckets: Buckets, bucket: number, by: number, cents: bigint): void {
	const found = buckets.get(bucket);
	if (found) {
		found.count += by;
		found.cents += cents;
	} else buckets.set(bucket, { count: by, cents });
}
