// Which payments in doubt go out, and when the next one does, while others are held and the wall clock jumps.
import { expect, test } from "vitest";
import { createLeases } from "../../../src/cache/store/leases.ts";
import { createMemoryRows } from "../../../src/cache/store/memory-rows.ts";
import { createPursuits } from "../../../src/cache/store/pursuits.ts";
import { acceptInDoubt } from "../../../src/payment/life.ts";
import { createFakeClock } from "../../fake-clock.ts";
import { idOf, startUs } from "./payments.ts";

const startMs = startUs / 1000;
const longestPauseMs = 1_000;

/** One payment in doubt at `default` for each time, which is told from the start, ms. */
function setup(...dueMs: number[]) {
	const clock = createFakeClock(startMs);
	const rows = createMemoryRows();
	const leases = createLeases(1);
	const pursuits = createPursuits(rows, leases, clock, longestPauseMs);
	for (const [n, ms] of dueMs.entries())
		rows.insert({ ...acceptInDoubt(idOf(n + 1), 5n, "default", startMs), dueAtMs: startMs + ms });
	rows.marks.inDoubt = dueMs.length;
	/** Places in the order of acceptance; what is found is held from then on. */
	const take = (max: number) =>
		pursuits.next("default", max).map((row) => {
			leases.grant("a", { id: row.payment.id, seq: row.seq }, "default", Number.POSITIVE_INFINITY);
			return row.seq;
		});
	return { clock, rows, leases, pursuits, take };
}

test("those that are held stand before nobody: the next one is found, and told when it is due", () => {
	const { pursuits, leases, take } = setup(-30, -20, -10, 40);
	expect(pursuits.nextDueMs("default")).toBe(0);
	expect([take(1), take(1), take(9)]).toEqual([[1], [2], [3]]);
	expect(pursuits.nextDueMs("default")).toBe(40);
	leases.end(leases.ofId(idOf(2))!);
	expect(pursuits.nextDueMs("default")).toBe(0);
	expect(take(9)).toEqual([2]);
});

test("what is parked alone is due as well; where nothing waits, nothing is", () => {
	const { rows, pursuits, take } = setup(-5);
	Object.assign(rows.marks, { inDoubt: 0, parked: 1 });
	expect([pursuits.nextDueMs("default"), pursuits.nextDueMs("fallback")]).toEqual([0, undefined]);
	expect(take(1)).toEqual([1]);
	rows.marks.parked = 0;
	expect([pursuits.nextDueMs("default"), take(1)]).toEqual([undefined, []]);
});

test("after the wall clock was set back, what no pause explains is due at once, and nothing else before its time", () => {
	const { clock, pursuits, take } = setup(100, 2_000, 3_000);
	expect(pursuits.nextDueMs("default")).toBe(0);
	expect(take(9).toSorted()).toEqual([2, 3]);
	expect(pursuits.nextDueMs("default")).toBe(100);
	clock.jump(-longestPauseMs);
	expect(pursuits.nextDueMs("default")).toBe(0);
	expect(take(9)).toEqual([1]);
	expect(pursuits.nextDueMs("default")).toBeUndefined();
});
