import { expect, test } from "vitest";
import { createHands, type Hand } from "../../src/consumer/hands.ts";
import { createFakeClock } from "../fake-clock.ts";
import { makeJob } from "./harness.ts";

const leaseMs = 10_000;

function setup(count: number) {
	const clock = createFakeClock();
	const hands = createHands(clock);
	const taken = Array.from({ length: count }, (_, i) => hands.take(makeJob(i + 1), leaseMs));
	const tokens = (some: readonly Hand[]) => some.map(({ job }) => Number(job.token)).sort((a, b) => a - b);
	return { clock, hands, taken, tokens };
}

test("hands that are dropped in any order are gone, once, and the others stay", () => {
	const { hands, taken, tokens } = setup(5);
	for (const i of [1, 4, 0]) hands.drop(taken[i]!);
	hands.drop(taken[1]!);
	expect(tokens(hands.all())).toEqual([3, 4]);
	expect(taken.map(hands.has)).toEqual([false, false, true, true, false]);
	expect(hands.size).toBe(2);
	for (const hand of hands.all()) hands.drop(hand);
	expect(hands.size).toBe(0);
});

test("leases are lost by their tokens, once; those of jobs that are dropped say nothing", () => {
	const { hands, taken, tokens } = setup(4);
	hands.drop(taken[0]!);
	const aborted: string[] = [];
	taken[2]!.abort = (reason) => aborted.push(reason);
	taken[3]!.abort = (reason) => aborted.push(reason);
	taken[3]!.sent = true;
	expect(tokens(hands.lose([1n, 3n, 4n, 9n]))).toEqual([3, 4]);
	expect(aborted, "what was sent goes on").toEqual(["its lease is lost"]);
	expect(hands.lose([3n, 4n])).toEqual([]);
	expect(taken.map(hands.holds)).toEqual([true, true, false, false]);
});

test("a lease never seems longer than it is, and a renewal counts from when it was asked", async () => {
	const { clock, hands } = setup(0);
	await clock.advance(0.9);
	const hand = hands.take(makeJob(1), leaseMs);
	await clock.advance(9_999);
	expect(hands.holds(hand)).toBe(true);
	hands.extend([hand], 5_000.5, leaseMs);
	await clock.advance(4_999.2);
	expect(hands.holds(hand)).toBe(true);
	await clock.advance(1.4);
	expect(hands.holds(hand), "it may have ended").toBe(false);
});
