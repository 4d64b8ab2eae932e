// How many requests a simulated processor takes at once, and how often it tells its health.
import fc from "fast-check";
import { expect, test } from "vitest";
import { createConcurrencyLimiter, createWindowLimiter } from "../../src/processor/limiters.ts";
import { createFakeClock } from "../fake-clock.ts";

test("never more at once than allowed, the waiting served in their order, the rest turned away, every place given back", async () => {
	await fc.assert(
		fc.asyncProperty(fc.nat(30), fc.integer({ min: 1, max: 5 }), fc.nat(5), async (calls, executingMax, queuedMax) => {
			const clock = createFakeClock();
			const limiter = createConcurrencyLimiter(executingMax, queuedMax);
			const started: number[] = [];
			let most = 0;
			let failed = 0;
			const runs = Array.from({ length: calls }, (_, n) =>
				limiter.run(async () => {
					started.push(n);
					most = Math.max(most, limiter.executing());
					await clock.sleep(10);
					if (n % 3 === 0) throw new Error("failed");
				}),
			);
			for (const run of runs) run?.catch(() => failed++);
			expect(runs.filter((run) => run === undefined)).toHaveLength(Math.max(0, calls - executingMax - queuedMax));
			await clock.advance(1000);
			const admitted = Math.min(calls, executingMax + queuedMax);
			expect(started).toEqual(Array.from({ length: admitted }, (_, n) => n));
			expect(most).toBe(Math.min(calls, executingMax));
			expect(failed).toBe(Math.ceil(admitted / 3));
			expect([limiter.executing(), limiter.queued()]).toEqual([0, 0]);
		}),
		{ numRuns: 50 },
	);
});

test("one caller a window, two wait for later windows, more are turned away", async () => {
	const clock = createFakeClock();
	const limiter = createWindowLimiter(clock, 5000, 2);
	const let_in: [string, number][] = [];
	const call = (name: string) => {
		const entered = limiter.enter();
		if (entered) void Promise.resolve(entered).then(() => let_in.push([name, clock.monotonic()]));
		return entered !== false;
	};
	expect(["a", "b", "c", "d"].map(call)).toEqual([true, true, true, false]);
	await clock.advance(5000);
	expect(call("e")).toBe(true);
	expect(call("f")).toBe(false);
	await clock.advance(10_000);
	expect(let_in).toEqual([
		["a", 0],
		["b", 5000],
		["c", 10_000],
		["e", 15_000],
	]);
	expect(clock.pending()).toBe(0);
});

test("windows run on from the first call: one caller late in a window and one early in the next are both let in", async () => {
	const clock = createFakeClock();
	const limiter = createWindowLimiter(clock, 5000, 2);
	expect(limiter.enter()).toBe(true);
	await clock.advance(9900);
	expect(limiter.enter()).toBe(true);
	await clock.advance(200);
	expect(limiter.enter()).toBe(true);
	expect(limiter.enter()).toBeInstanceOf(Promise);
	limiter.stop();
	expect(clock.pending()).toBe(0);
});
