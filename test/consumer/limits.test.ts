import { expect, test } from "vitest";
import { createLatencies } from "../../src/consumer/latency.ts";
import { createLimiter, limiterDefaults } from "../../src/consumer/limiter.ts";
import { breakerSign, loadSign } from "../../src/consumer/observe.ts";
import { createRetryBudget } from "../../src/consumer/retry-budget.ts";
import { createFakeClock } from "../fake-clock.ts";
import { limits } from "./harness.ts";

test("limiter: slots are bounded by the limit, those for payments in doubt by their own", () => {
	const limiter = createLimiter({ ...limits, pursuitsMax: 2 }, createFakeClock(), () => 0.5);
	expect(limiter.take("pursuit")).toBe(true);
	expect(limiter.take("pursuit")).toBe(true);
	expect(limiter.take("pursuit")).toBe(false);
	expect(limiter.free).toBe(2);
	expect([limiter.take("fresh"), limiter.take("fresh"), limiter.take("fresh")]).toEqual([true, true, false]);
	expect(limiter.inUse).toBe(4);
	limiter.giveBack("fresh");
	expect(limiter.take("fresh")).toBe(true);
});

test.each(["fresh", "pursuit"] as const)("limiter: a slot given back twice is noticed (%s)", (kind) => {
	const limiter = createLimiter(limits, createFakeClock(), () => 0.5);
	expect(() => limiter.giveBack(kind)).toThrow();
});

test("limiter: no bound of the deployment takes it above its own, and an overload never above the deployment's", () => {
	const limiter = createLimiter({ ...limits, start: 8, ceiling: 8, floor: 2 }, createFakeClock(), () => 0.5);
	limiter.setBound(1_000);
	limiter.announce(60_000);
	expect(limiter.limit).toBe(8);
	for (const bound of [1, 0]) {
		limiter.setBound(bound);
		limiter.observe("overload", 10);
		expect(limiter.limit, "there is always something to learn from").toBe(1);
	}
});

test("limiter: it grows while it is used and all goes well, up to the deployment's bound", () => {
	const limiter = createLimiter({ ...limiterDefaults, start: 10 }, createFakeClock(), () => 0.5);
	for (let i = 0; i < 100; i++) limiter.observe("good", 10);
	expect(limiter.limit, "not used, so nothing is learned").toBe(10);
	for (let round = 0; round < 100; round++) {
		while (limiter.take("fresh"));
		limiter.observe("good", 10);
		limiter.giveBack("fresh");
	}
	expect(limiter.limit).toBe(110);
	limiter.setBound(50);
	expect(limiter.limit).toBe(50);
	limiter.observe("good", 10);
	expect(limiter.limit).toBe(50);
});

test("limiter: an announced delay gives it slots for the same pace, until an overload was met", () => {
	const limiter = createLimiter({ ...limiterDefaults, start: 10, startMs: 100 }, createFakeClock(), () => 0.5);
	limiter.announce(50);
	expect(limiter.limit).toBe(10);
	limiter.announce(1_000);
	expect(limiter.limit).toBe(100);
	limiter.announce(200);
	expect(limiter.limit, "what it has is not taken away").toBe(100);
	limiter.setBound(90);
	limiter.announce(60_000);
	expect(limiter.limit).toBe(90);
	limiter.observe("overload", 10);
	const lowered = limiter.limit;
	limiter.announce(60_000);
	expect(limiter.limit).toBe(lowered);
	expect(lowered).toBeLessThan(90);
});

test("limiter: what is announced again does not undo what it has learned since", () => {
	const limiter = createLimiter({ ...limiterDefaults, start: 50, startMs: 100 }, createFakeClock(), () => 0.5);
	limiter.announce(800);
	expect(limiter.limit).toBe(400);
	const round = (tookMs: number) => {
		while (limiter.take("fresh"));
		limiter.observe("good", tookMs);
		limiter.giveBack("fresh");
	};
	round(800);
	for (let i = 0; i < 200; i++) round(5_000);
	const shrunk = limiter.limit;
	expect(shrunk).toBeLessThan(400);
	limiter.announce(800);
	expect(limiter.limit).toBe(shrunk);
});

test("limiter: it does not grow while requests only wait for each other, and shrinks until few do", async () => {
	const clock = createFakeClock();
	const limiter = createLimiter({ ...limiterDefaults, start: 50 }, clock, () => 0.5);
	const round = (tookMs: number) => {
		while (limiter.take("fresh"));
		limiter.observe("good", tookMs);
		limiter.giveBack("fresh");
	};
	for (let i = 0; i < 200; i++) round(5_000);
	expect(limiter.limit, "slow, but not for waiting").toBe(250);
	round(1);
	for (let i = 0; i < 2_000; i++) round(100);
	const shrunk = limiter.limit;
	expect(shrunk).toBeLessThan(70);
	await clock.advance(2 * limiterDefaults.shortestWindowMs);
	for (let i = 0; i < 2_000; i++) round(100);
	expect(limiter.limit, "a delay that stays is no waiting").toBeGreaterThan(shrunk + 50);
});

test("limiter: an overload shrinks it once for all that was sent before, and never below its floor", async () => {
	const clock = createFakeClock();
	const limiter = createLimiter({ ...limiterDefaults, start: 100 }, clock, () => 0.5);
	for (let i = 0; i < 50; i++) limiter.observe("overload", 10);
	expect(limiter.limit).toBe(70);
	for (let i = 0; i < 50; i++) {
		await clock.advance(limiterDefaults.shrinkGapMs);
		limiter.observe("overload", 10);
	}
	expect(limiter.limit).toBe(limiterDefaults.floor);
});

test("limiter: after the deployment said no slot, none is given for a while", async () => {
	const clock = createFakeClock();
	const limiter = createLimiter({ ...limiterDefaults, start: 100 }, clock, () => 0.5);
	limiter.noSlot();
	expect(limiter.free).toBe(0);
	expect(limiter.freeForPursuits).toBe(0);
	expect(limiter.pausedUntilMs()).toBeGreaterThan(clock.monotonic());
	await clock.advance(limiterDefaults.noSlotPauseMs);
	expect(limiter.free).toBe(70);
	expect(limiter.pausedUntilMs()).toBe(0);
});

test("limiter and breaker: what an answer says of load and of health", () => {
	expect(loadSign({ kind: "not_charged", why: "too_many" })).toBe("overload");
	expect(loadSign({ kind: "unknown", why: "timeout" })).toBe("overload");
	expect(loadSign({ kind: "charged" })).toBe("good");
	expect(loadSign({ kind: "not_charged", why: "failing" })).toBe("neutral");
	expect(breakerSign({ kind: "not_charged", why: "too_many" })).toBe("not_charged");
	expect(breakerSign({ kind: "unknown", why: "aborted" })).toBeUndefined();
	expect(breakerSign({ kind: "not_charged", why: "aborted" })).toBeUndefined();
	expect(breakerSign({ kind: "not_charged", why: "failing" })).toBe("not_charged");
	expect(breakerSign({ kind: "not_charged", why: "refused" })).toBe("not_charged");
	expect(breakerSign({ kind: "unknown", why: "timeout" })).toBe("unknown");
	expect(breakerSign({ kind: "duplicate" })).toBeUndefined();
});

test("retry budget: retries add at most a tenth of all attempts, beyond the burst and the trickle", async () => {
	const clock = createFakeClock();
	const budget = createRetryBudget({ ratio: 1 / 9, burstMax: 20, tricklePerS: 2 }, clock);
	let made = 0;
	for (let i = 0; i < 9000; i++) {
		budget.earn();
		while (budget.spend(false)) made++;
	}
	expect(made).toBeGreaterThanOrEqual(1000);
	expect(made).toBeLessThanOrEqual(1020);
	expect(budget.available).toBe(false);
	expect(budget.nextMs()).toBeLessThanOrEqual(500);
	await clock.advance(budget.nextMs());
	expect(budget.spend(false), "the trickle: nothing starves").toBe(true);
});

test("retry budget: a retry that is not made costs nothing, and the burst is bounded", async () => {
	const clock = createFakeClock();
	const budget = createRetryBudget({ ratio: 1, burstMax: 3, tricklePerS: 1 }, clock);
	await clock.advance(1_000_000);
	for (let i = 0; i < 100; i++) budget.earn();
	expect([1, 2, 3, 4].map(() => budget.spend(false))).toEqual([true, true, true, false]);
	budget.refund(false);
	expect(budget.spend(false)).toBe(true);
	expect(budget.spend(false)).toBe(false);
	expect(budget.spend(true), "at a processor that does well").toBe(true);
	budget.refund(true);
	expect(budget.available).toBe(false);
});

test("latencies: quantiles are within a tenth, and what is old is forgotten", async () => {
	const clock = createFakeClock();
	const latencies = createLatencies(clock, 1000);
	expect(latencies.quantile(0.99)).toBe(0);
	expect(latencies.lastAtMs).toBe(Number.NEGATIVE_INFINITY);
	for (let ms = 1; ms <= 1000; ms++) latencies.add(ms);
	expect(Math.abs(latencies.quantile(0.5) - 500)).toBeLessThan(50);
	expect(Math.abs(latencies.quantile(0.99) - 990)).toBeLessThan(99);
	await clock.advance(1000);
	latencies.add(5);
	expect(latencies.quantile(0.5), "the window before still counts").toBeGreaterThan(400);
	await clock.advance(1000);
	expect(latencies.quantile(0.99)).toBeLessThan(6);
	await clock.advance(10_000);
	expect(latencies.quantile(0.99)).toBe(0);
	expect(clock.monotonic() - latencies.lastAtMs).toBe(11_000);
});
