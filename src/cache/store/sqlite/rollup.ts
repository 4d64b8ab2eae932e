// The ledger's totals as radix buckets over time, so that a window of any width costs a bounded number of rows.
//
// Level 0 has a bucket for each microsecond that has charges; each level above joins the buckets below it by a power of
// two. A window is the whole buckets between its edges, found level by level from both ends: the two edges of a level
// visit at most one bucket's children each, whatever the ledger holds.
import type { DatabaseSync } from "node:sqlite";
import { ChurnMap } from "../../../churn.ts";
import type { Charge } from "../../../payment/life.ts";
import { type Processor, processors } from "../../../payment/payment.ts";
import type { Summary, Totals, Window } from "../store.ts";

/**
 * Widths of the levels' buckets as powers of two of a microsecond: 1 µs, 262 ms, 17 s, 18 min, 19 h, 51 days. Pins are of
 * whole milliseconds, so few rows are between the lowest and the next, and all levels but the lowest together are small
 * enough to stay in memory: a summary reads about one page from the disk at each edge.
 */
const shifts = [0, 18, 24, 30, 36, 42] as const;

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

/** Of no rows at all, sums are NULL. */
type Sums = { readonly visited: bigint } & Readonly<Record<`${Processor}_${"count" | "low" | "high"}`, bigint | null>>;

const totalsOf = ({ count, cents }: Bucket): Totals => ({ count: BigInt(count), amountCents: cents });

/** By the number of the bucket within its level. */
type Buckets = ChurnMap<number, Bucket>;

export function createRollup(db: DatabaseSync): Rollup {
	const upsert = db.prepare(
		`INSERT INTO total (level, bucket, processor, count, cents_low, cents_high) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET count = count + excluded.count, cents_low = cents_low + excluded.cents_low,
			cents_high = cents_high + excluded.cents_high`,
	);
	// Low parts outgrow their bits as a bucket fills: cut back to these, no sum of so few rows leaves 64 bits.
	const sums = processors.map(
		(name, code) => `sum(count) FILTER (WHERE processor = ${code}) AS ${name}_count,
			sum(cents_low & ${lowMask}) FILTER (WHERE processor = ${code}) AS ${name}_low,
			sum(cents_high + (cents_low >> ${lowBits})) FILTER (WHERE processor = ${code}) AS ${name}_high`,
	);
	const between = db.prepare(
		`SELECT count(*) AS visited, ${sums.join()} FROM total WHERE level = ? AND bucket BETWEEN ? AND ?`,
	);
	between.setReadBigInts(true);
	/** Of the lowest level; the levels above follow from it when it is written. */
	let pending: readonly Buckets[] = processors.map(() => new ChurnMap());

	/** Sums whole buckets of one level, from `first` to `last`, both included. */
	function sum(level: number, first: number, last: number, into: Record<Processor, Bucket>): number {
		if (first > last) return 0;
		const found = between.get(level, first, last) as unknown as Sums;
		for (const name of processors) {
			const bucket = into[name];
			bucket.count += Number(found[`${name}_count`] ?? 0n);
			bucket.cents += ((found[`${name}_high`] ?? 0n) << lowBits) + (found[`${name}_low`] ?? 0n);
		}
		return Number(found.visited);
	}

	/** Sums a window; the number of rows visited. */
	function sumWindow(fromUs: number, toUs: number, into: Record<Processor, Bucket>): number {
		let rowsVisited = 0;
		// Buckets `first` to `last` of the level are still to be summed; the level above takes all it can hold whole.
		let first = fromUs;
		let last = toUs;
		for (let level = 0; level < shifts.length && first <= last; level++) {
			const factor = factorAbove(level);
			const above = factor === undefined ? first : Math.ceil(first / factor);
			const below = factor === undefined ? last : Math.floor((last + 1) / factor) - 1;
			if (factor === undefined || above > below) return rowsVisited + sum(level, first, last, into);
			rowsVisited += sum(level, first, above * factor - 1, into);
			rowsVisited += sum(level, (below + 1) * factor, last, into);
			first = above;
			last = below;
		}
		return rowsVisited;
	}

	return {
		add({ processor, requestedAtUs, amountCents }) {
			count(pending[processors.indexOf(processor)] as Buckets, requestedAtUs, 1, amountCents);
		},
		flush() {
			for (const code of processors.keys()) {
				let buckets = pending[code] as Buckets;
				for (let level = 0; buckets.size > 0 && level < shifts.length; level++) {
					for (const [bucket, { count, cents }] of buckets)
						upsert.run(level, bucket, code, count, cents & lowMask, cents >> lowBits);
					buckets = joined(buckets, factorAbove(level));
				}
				pending[code]?.clear();
			}
		},
		summary({ fromUs = 0, toUs = Number.MAX_SAFE_INTEGER }) {
			const into = { default: { count: 0, cents: 0n }, fallback: { count: 0, cents: 0n } };
			const rowsVisited = sumWindow(fromUs, toUs, into);
			return { totals: { default: totalsOf(into.default), fallback: totalsOf(into.fallback) }, rowsVisited };
		},
		clear() {
			pending = processors.map(() => new ChurnMap());
			db.exec("DELETE FROM total");
		},
	};
}

/** Where each version keeps the totals, and of how many levels; the newest is the last. */
const versions = [
	{ since: 1, from: "(SELECT *, level / 16 AS processor FROM rollup)", levels: 7 },
	{ since: 3, from: "total", levels: shifts.length },
] as const;

/** Every level holds every charge, so damage to one shows beside another. */
export function rollupAddsUp(db: DatabaseSync, version: number): boolean {
	const { from, levels } = versions.findLast(({ since }) => since <= version)!;
	const modulus = 2 ** 31 - 1;
	const sums = db
		.prepare(
			`SELECT processor, sum(count) % ${modulus} AS count,
			(sum(cents_low % ${modulus}) + sum(cents_high % ${modulus}) * (4294967296 % ${modulus})) % ${modulus} AS cents
			FROM ${from} GROUP BY processor, level`,
		)
		.all() as { processor: number; count: number; cents: number }[];
	return processors.every((_, code) => {
		const own = sums.filter(({ processor }) => processor === code);
		const [lowest] = own;
		if (!lowest) return true;
		return own.length === levels && own.every(({ count, cents }) => count === lowest.count && cents === lowest.cents);
	});
}

/** How many buckets of this level are one of the level above; `undefined` at the top. */
function factorAbove(level: number): number | undefined {
	const shift = shifts[level + 1];
	return shift === undefined ? undefined : 2 ** (shift - (shifts[level] as number));
}

function joined(buckets: Buckets, factor: number | undefined): Buckets {
	const above: Buckets = new ChurnMap();
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
