// Which payments go out first, and when none goes out for the first time.
import { expect, test } from "vitest";
import { createFreshLane } from "../../../src/cache/store/fresh-lane.ts";
import { createLeases } from "../../../src/cache/store/leases.ts";
import { createMemoryRows } from "../../../src/cache/store/memory-rows.ts";
import { accept } from "../../../src/payment/life.ts";
import { idOf } from "./payments.ts";

/** As the lane has it. */
const returnedMax = 8_192;

function setup(count: number) {
	const rows = createMemoryRows();
	for (let n = 1; n <= count; n++) rows.insert(accept(idOf(n), 5n, n));
	rows.marks.open = count;
	const lane = createFreshLane(rows, createLeases(1));
	/** Places in the order of acceptance. */
	const next = (max: number, retriesMax: number) => lane.next(max, retriesMax).map(({ seq }) => seq);
	/** So many go out and come back after so many attempts, the newest first. */
	function comeBack(max: number, attempts: number): void {
		for (const { seq, payment } of lane.next(max, max).reverse())
			lane.takeBack({ seq, payment: { ...payment, attempts } });
	}
	return { lane, next, comeBack };
}

test("those that came back go out first, the oldest before the others, and no more retries than asked for", () => {
	const { lane, next, comeBack } = setup(6);
	comeBack(4, 1);
	expect(lane.oldest()?.seq).toBe(1);
	expect(next(4, 2)).toEqual([1, 2, 5, 6]);
	expect(lane.oldest()?.seq).toBe(3);
	expect(next(4, 4)).toEqual([3, 4]);
});

test("none goes out for the first time while the most that may wait for another attempt do", () => {
	const { next, comeBack } = setup(returnedMax + 1);
	comeBack(returnedMax, 1);
	expect(next(9, 0)).toEqual([]);
	expect(next(1, 1)).toEqual([1]);
	expect(next(9, 0)).toEqual([returnedMax + 1]);
});
