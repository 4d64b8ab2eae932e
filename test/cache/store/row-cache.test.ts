// What the cache gives out is what the rows would have given out themselves, whatever came before.
import fc from "fast-check";
import { expect, test } from "vitest";
import { createMemoryRows } from "../../../src/cache/store/memory-rows.ts";
import { withRowCache } from "../../../src/cache/store/row-cache.ts";
import type { Row, Rows } from "../../../src/cache/store/rows.ts";
import { accept, acceptInDoubt } from "../../../src/payment/life.ts";
import { idOf } from "./payments.ts";

const everything = Number.MAX_SAFE_INTEGER;

const steps = fc.array(
	fc.oneof(
		{ weight: 6, arbitrary: fc.record({ do: fc.constant("insert" as const), inDoubt: fc.boolean() }) },
		{ weight: 6, arbitrary: fc.record({ do: fc.constant("open" as const), max: fc.integer({ min: 1, max: 6 }) }) },
		{ weight: 2, arbitrary: fc.record({ do: fc.constant("look" as const), max: fc.integer({ min: 1, max: 6 }) }) },
		{ weight: 4, arbitrary: fc.record({ do: fc.constant("flag" as const), nth: fc.nat(20) }) },
		{ weight: 1, arbitrary: fc.record({ do: fc.constant("forgetAll" as const) }) },
	),
	{ maxLength: 60 },
);

test("rows are given out as they are, in order, however many wait", () => {
	fc.assert(
		fc.property(steps, (taken) => {
			const plain = createMemoryRows();
			const cached = withRowCache(createMemoryRows(), { keptMax: 3, tailMax: 4 });
			const both = <T>(ask: (rows: Rows) => T): T => {
				const expected = ask(plain);
				expect(ask(cached)).toEqual(expected);
				return expected;
			};
			let after = 0;
			let inserted = 0;
			let given: Row[] = [];
			for (const rows of [plain, cached]) rows.begin();
			for (const step of taken) {
				if (step.do === "insert") {
					const id = idOf(++inserted);
					const payment = step.inDoubt ? acceptInDoubt(id, 5n, "default", inserted) : accept(id, 5n, inserted);
					both((rows) => rows.insert(payment));
				} else if (step.do === "open") {
					const found = both((rows) => rows.open(after, everything, step.max));
					after = found.at(-1)?.seq ?? after;
					given.push(...found);
				} else if (step.do === "look") both((rows) => rows.open(after, everything, step.max));
				else if (step.do === "flag") {
					const row = given[step.nth % Math.max(given.length, 1)];
					if (row) both((rows) => void rows.update({ ...row, payment: { ...row.payment, attempts: step.nth } }));
				} else {
					both((rows) => rows.forgetAll());
					after = 0;
					given = [];
				}
				for (const { payment } of given) both((rows) => rows.get(payment.id));
			}
		}),
	);
});

test("what was accepted of late is given out without being read", () => {
	const rows = createMemoryRows();
	let reads = 0;
	const counted: Rows = {
		...rows,
		open: (...range) => {
			reads++;
			return rows.open(...range);
		},
	};
	const cached = withRowCache(counted);
	cached.begin();
	for (let n = 1; n <= 3; n++) cached.insert(accept(idOf(n), 5n, n));
	expect(cached.open(0, everything, 2).map(({ seq }) => seq)).toEqual([1, 2]);
	expect(cached.open(2, everything, 2).map(({ seq }) => seq)).toEqual([3]);
	expect(reads).toBe(0);
	// What lies before is not in memory, nor is a part of the rows asked for by its end.
	cached.open(0, everything, 2);
	cached.open(2, 3, 2);
	expect(reads).toBe(2);
});

test("no more rows are held than its bounds say: those used last, and none that wait where too many do", () => {
	const rows = createMemoryRows();
	const read: string[] = [];
	const counted: Rows = {
		...rows,
		get(id) {
			read.push(id);
			return rows.get(id);
		},
		open(...range) {
			read.push("open");
			return rows.open(...range);
		},
	};
	const cached = withRowCache(counted, { keptMax: 2, tailMax: 3 });
	const row = (seq: number): Row => ({ seq, payment: accept(idOf(seq), 5n, seq) });
	for (let n = 1; n <= 3; n++) cached.insert(accept(idOf(n), 5n, n));
	for (const n of [1, 2, 1, 3]) cached.update(row(n));
	for (const n of [1, 3, 2]) cached.get(idOf(n));
	expect(read.splice(0)).toEqual([idOf(2)]);
	cached.open(0, everything, 3);
	expect(read.splice(0)).toEqual([]);
	for (let n = 4; n <= 7; n++) cached.insert(accept(idOf(n), 5n, n));
	expect(cached.open(3, everything, 9).map(({ seq }) => seq)).toEqual([4, 5, 6, 7]);
	expect(read).toEqual(["open"]);
});
