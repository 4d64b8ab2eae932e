// Which payments go out first, and when none goes out for the first time.
import { expect, test } from "vitest";
import { createFreshLane } from "../../../src/cache/store/fresh-lane.ts";
import { createLeases } from "../../../src/cache/store/leases.ts";
import { createMemoryRows } from "../../../src/cache/store/memory-rows.ts";
import { accept, pin } from "../../../src/payment/life.ts";
import { idOf } from "./payments.ts";

/** As the lane has it. */
const returnedMax = 8_192;

function setup(count: number) {
	const rows = createMemoryRows();
	for (let n = 1; n <= count; n++) rows.insert(accept(idOf(n), 5n, n));
	rows.marks.open = count;
	const leases = createLeases(2);
	const lane = createFreshLane(rows, leases);
	/** Places in the order of acceptance. */
	const next = (max: number, retriesMax: number) => lane.next(max, retriesMax).map(({ seq }) => seq);
	/** So many go out and come back after so many attempts, the newest first. */
	function comeBack(max: number, attempts: number): void {
		for (const { seq, payment } of lane.next(max, max).reverse())
			lane.takeBack({ seq, payment: { ...payment, attempts } });
	}
	return { rows, leases, lane, next, comeBack };
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

test.each([1, 255, 256, 257, 512, 700])("a start finds all %i that were given out and are not done", (count) => {
	const { rows, leases, lane, next } = setup(count + 1);
	rows.marks.leasedUpTo = count;
	const flying: number[] = [];
	for (let seq = 3; seq <= count; seq += 5) {
		rows.update({ seq, payment: pin(accept(idOf(seq), 5n, seq), "default", seq, 0)! });
		flying.push(seq);
	}
	expect(lane.recover(100).map(({ seq }) => seq)).toEqual(flying);
	expect(leases.ofSession("").map(({ token }) => token)).toEqual(flying);
	const others = Array.from({ length: count + 1 }, (_, i) => i + 1).filter((seq) => !flying.includes(seq));
	expect(next(count + 1, 0)).toEqual(others);
});

test("the queue is worked off up to the first that is held or came back, and never further back than before", () => {
	const { rows, leases, lane } = setup(6);
	const [, second, third, fourth] = lane.next(4, 0);
	const held = leases.grant("a", { id: idOf(3), seq: third!.seq }, "fresh", 0);
	leases.grant("a", { id: idOf(1), seq: 1 }, "default", 0);
	const doneUpTo = () => {
		lane.advance();
		return rows.marks.doneUpTo;
	};
	expect(doneUpTo(), "one in doubt is found elsewhere").toBe(2);
	leases.end(held);
	lane.takeBack(fourth!);
	expect(doneUpTo()).toBe(3);
	lane.takeBack(second!);
	expect(doneUpTo()).toBe(3);
	lane.next(2, 0);
	expect(doneUpTo()).toBe(4);
});

test("a lease is given again under a token of an earlier start only, and not where its attempt has ended", () => {
	const { lane, leases } = setup(2);
	const [first, second] = lane.next(2, 0);
	const ended = { token: 7, processor: "default", requestedAtUs: 0, state: "not_charged" } as const;
	lane.takeBack({ ...first!, payment: { ...first!.payment, attemptLog: [ended] } });
	lane.takeBack(second!);
	const reclaim = (n: number, token: number) => lane.reclaim("a", { id: idOf(n), token }, 100);
	expect(reclaim(1, 7), "it was answered").toBe(false);
	expect(reclaim(1, leases.firstToken), "of this start").toBe(false);
	expect(reclaim(3, 8), "not one that came back").toBe(false);
	expect([reclaim(1, 8), reclaim(1, 9)], "one lease").toEqual([true, false]);
	expect(leases.ofToken(8)).toMatchObject({ id: idOf(1), session: "a", lane: "fresh", expiresAtMs: 100 });
	expect(lane.next(9, 9).map(({ seq }) => seq)).toEqual([2]);
});
