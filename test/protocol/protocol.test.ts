// Thousands of seeded schedules of the charge protocol in simulated time, and broken rules that they must find out.
//
// PAYRELAY_SEEDS: how many schedules (default 10000). PAYRELAY_SEED: only this one, with a trace of every event.
import { describe, expect, test } from "vitest";
import { mutants } from "./mutants.ts";
import { firstBreach, runSeeds } from "./run-seeds.ts";
import { simulate } from "./simulation.ts";

const schedules = Number(process.env.PAYRELAY_SEEDS ?? 10_000);
const onlySeed = process.env.PAYRELAY_SEED;
/** A broken rule must be found within so many schedules. */
const seedsMax = 4_000;
/** In one of a hundred schedules at least; else the simulation has become too gentle to show anything. */
const mustHappen = [
	...["cacheCrash", "cacheStop", "workerCrash", "workerStop", "cut", "flip", "purge", "dead"],
	...["settled", "released", "fenced", "unsettled", "reclaimed", "retry", "give_up", "settle", "eventCopies"],
];

if (onlySeed !== undefined)
	test(`seed ${onlySeed} replays`, { timeout: 60_000 }, async () => {
		const { breach, trace } = await simulate(Number(onlySeed), { traced: true });
		process.stdout.write(`${trace.join("\n")}\n`);
		expect(breach).toBeUndefined();
	});
else {
	test("every acknowledged payment is charged exactly once, and the books agree, in every schedule", {
		timeout: 60_000 + schedules * 60,
	}, async () => {
		const { settled, faults } = await runSeeds(1, schedules);
		expect(settled).toBeGreaterThan(schedules);
		for (const kind of mustHappen) expect(faults[kind], kind).toBeGreaterThan(schedules / 100);
	});

	describe("a broken rule is found out", () => {
		test.each(Object.entries(mutants))("%s", { timeout: 300_000 }, async (_, mutant) => {
			const found = await firstBreach(seedsMax, { mutant, strict: mutant.harmless === true });
			expect(found).toBeDefined();
		});
	});

	test("a seed replays to the last event", async () => {
		for (const seed of [1, 2, 3, 4, 5]) {
			const [first, second] = [await simulate(seed, { traced: true }), await simulate(seed, { traced: true })];
			expect(second.trace).toEqual(first.trace);
			expect(first.trace.length).toBeGreaterThan(10);
		}
	});
}
