import { expect, test } from "vitest";
import { createRandom, type Random } from "../../../src/bench/random.ts";
import { clairvoyantProfit, mostCharged, type Problem } from "../../../src/bench/regret/clairvoyant.ts";
import type { Condition, Timetable } from "../../../src/bench/timetable.ts";
import { type Processor, processors } from "../../../src/payment/payment.ts";

const at = (delayMs: number, failing = false): Condition => ({ delayMs, failing });
const problem = (timetable: Timetable, more: Partial<Problem> = {}): Problem => ({
	timetable,
	fees: { default: 0.05, fallback: 0.15 },
	arrivals: Float64Array.of(0, 1, 2, 3),
	endMs: 10,
	places: 2,
	exchange: 1,
	...more,
});

test("with room for all, all goes to the cheaper one", () => {
	expect(clairvoyantProfit(problem([{ atMs: 0, default: at(0), fallback: at(0) }]))).toBeCloseTo(4 * 0.95);
});

test("payments wait for the cheaper one as long as it charges before the end", () => {
	const recovers: Timetable = [
		{ atMs: 0, default: at(0, true), fallback: at(0) },
		{ atMs: 8, default: at(0), fallback: at(0) },
	];
	expect(clairvoyantProfit(problem(recovers))).toBeCloseTo(4 * 0.95);
	expect(clairvoyantProfit(problem(recovers, { endMs: 7 }))).toBeCloseTo(4 * 0.85);
});

test("what the cheaper one has no places for goes to the dearer one", () => {
	const slow = problem([{ atMs: 0, default: at(9), fallback: at(0) }], { arrivals: Float64Array.of(0, 0, 0, 0) });
	expect(mostCharged(slow, ["default"])).toBeGreaterThanOrEqual(2);
	expect(mostCharged(slow, ["default"])).toBeLessThanOrEqual(4);
	expect(mostCharged(slow, ["default", "fallback"])).toBe(4);
});

test("a POST counts by what the switch says when its delay is over", () => {
	const flips: Timetable = [
		{ atMs: 0, default: at(5, true), fallback: at(0, true) },
		{ atMs: 4, default: at(0), fallback: at(0, true) },
		{ atMs: 5, default: at(9, true), fallback: at(0, true) },
	];
	const early = problem(flips, { arrivals: Float64Array.of(0, 0), endMs: 6 });
	expect(mostCharged(early, ["default"])).toBe(2);
	expect(mostCharged({ ...early, arrivals: Float64Array.of(5, 5) }, ["default"])).toBe(0);
});

test("no plan for a small case earns more, and the best of all plans comes near", () => {
	let gap = 0;
	let earned = 0;
	for (let seed = 1; seed <= 300; seed++) {
		const small = smallCase(createRandom(seed));
		const best = bestPlan(small);
		const bound = clairvoyantProfit(small);
		expect(bound, `seed ${seed}`).toBeGreaterThanOrEqual(best - 1e-9);
		gap += bound - best;
		earned += best;
	}
	// With two places a bucket's burst is worth much; with 800 and thousands of payments it is not.
	expect(gap / earned).toBeLessThan(0.1);
});

test("where places do not run out the bound is the optimum itself", () => {
	for (let seed = 1; seed <= 200; seed++) {
		const small = { ...smallCase(createRandom(seed)), places: 5 };
		expect(clairvoyantProfit(small), `seed ${seed}`).toBeCloseTo(bestPlan(small));
	}
});

/** Whole ms, so that there are few plans: up to five payments, two places. */
function smallCase(random: Random): Problem & { readonly places: number } {
	const whole = (max: number): number => Math.floor(random() * (max + 1));
	const condition = (): Condition => at(whole(4), random() < 0.4);
	const starts = [0, 2 + whole(2), 6 + whole(3)];
	return {
		timetable: starts.map((atMs) => ({ atMs, default: condition(), fallback: condition() })),
		fees: random() < 0.5 ? { default: 0.05, fallback: 0.15 } : { default: 0.3, fallback: 0.1 },
		arrivals: Float64Array.from({ length: 1 + whole(4) }, () => whole(8)).sort(),
		endMs: 8 + whole(4),
		places: 2,
		exchange: 1,
	};
}

/** Tries every processor and every whole moment for every payment. */
function bestPlan({
	timetable,
	fees,
	arrivals,
	endMs,
	places,
	exchange = 1,
}: Problem & { readonly places: number }): number {
	const condition = (processor: Processor, ms: number): Condition =>
		timetable.findLast(({ atMs }) => atMs <= ms)![processor];
	const open = { default: new Uint8Array(64), fallback: new Uint8Array(64) };

	function from(n: number): number {
		if (n === arrivals.length) return 0;
		let best = from(n + 1);
		for (const processor of processors)
			for (let ms = arrivals[n]!; ms <= endMs; ms++) {
				const { delayMs } = condition(processor, ms);
				const chargedMs = ms + delayMs;
				if (chargedMs >= endMs || condition(processor, chargedMs).failing) continue;
				const held = open[processor].subarray(ms, chargedMs + exchange);
				if (held.some((count) => count >= places)) continue;
				for (let i = 0; i < held.length; i++) held[i]!++;
				best = Math.max(best, 1 - fees[processor] + from(n + 1));
				for (let i = 0; i < held.length; i++) held[i]!--;
			}
		return best;
	}
	return from(0);
}
