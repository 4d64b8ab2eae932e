import fc from "fast-check";
import { expect, test } from "vitest";
import { createPace, paceDefaults } from "../../src/consumer/pace.ts";

const { part } = paceDefaults;

/** A process for which each start, and each time that it wakes up, costs so much CPU, and that wakes up late by so much. */
function process(quota: number | undefined, costMs: number, wakeMs = 0, lateMs = 0) {
	let nowMs = 0;
	let usedMs = 0;
	let started = 0;
	const pace = createPace({ clock: { monotonic: () => nowMs }, quota, usedMs: () => usedMs });
	return {
		pace,
		run(forMs: number) {
			const untilMs = nowMs + forMs;
			const before = { usedMs, started };
			while (nowMs < untilMs) {
				usedMs += wakeMs;
				// No process starts more than it can in the time that it takes.
				for (let n = 0; n < 10_000 && pace.take(); n++) {
					started++;
					usedMs += costMs;
				}
				nowMs += Math.max(pace.nextMs, 1) + lateMs;
			}
			return { used: (usedMs - before.usedMs) / forMs, started: started - before.started };
		},
		idle(forMs: number) {
			nowMs += forMs;
			usedMs += forMs / 100;
		},
	};
}

test("whatever a start costs, nearly all of that part of the quota is used, and no more than it", () => {
	const quotas = fc.double({ min: 0.2, max: 0.95, noNaN: true });
	const costs = fc.double({ min: 0.05, max: 1.5, noNaN: true });
	const wakes = fc.double({ min: 0, max: 0.5, noNaN: true });
	fc.assert(
		fc.property(quotas, costs, wakes, fc.integer({ min: 0, max: 60 }), (quota, costMs, wakeMs, lateMs) => {
			const one = process(quota, costMs, wakeMs, lateMs);
			one.run(3_000);
			const { used } = one.run(5_000);
			expect(used).toBeLessThan(quota * part * 1.04);
			expect(used).toBeGreaterThan(quota * part * 0.74);
		}),
	);
});

/**
 * A process that the scheduler stops once it has used up its quota of a period, until the next one. Of each start some
 * CPU is used when it begins, and as much when it has ended, `tookMs` later; so many can be under way.
 */
function stoppedProcess(quota: number) {
	const periodMs = 100;
	let nowMs = 0;
	let usedMs = 0;
	let leftMs = quota * periodMs;
	let periodEndsAtMs = periodMs;
	let stoppedMs = 0;
	const ends: number[] = [];
	const pace = createPace({ clock: { monotonic: () => nowMs }, quota, usedMs: () => usedMs });

	function use(ms: number): void {
		for (let toUse = ms; toUse > 0; ) {
			for (; nowMs >= periodEndsAtMs; periodEndsAtMs += periodMs) leftMs = quota * periodMs;
			if (leftMs <= 0) {
				stoppedMs += periodEndsAtMs - nowMs;
				nowMs = periodEndsAtMs;
				continue;
			}
			const stepMs = Math.min(toUse, leftMs, periodEndsAtMs - nowMs);
			nowMs += stepMs;
			usedMs += stepMs;
			leftMs -= stepMs;
			toUse -= stepMs;
		}
	}

	return {
		run(forMs: number, { slots, tookMs, costMs }: { slots: number; tookMs: number; costMs: number }) {
			const untilMs = nowMs + forMs;
			const before = { usedMs, stoppedMs };
			while (nowMs < untilMs) {
				let nextMs = Number.POSITIVE_INFINITY;
				while (ends.length < slots) {
					if (!pace.take()) {
						nextMs = nowMs + Math.max(1, pace.nextMs);
						break;
					}
					use(costMs / 2);
					ends.push(nowMs + tookMs);
				}
				nowMs = Math.max(nowMs, Math.min(nextMs, ends[0] ?? Number.POSITIVE_INFINITY));
				while (ends[0] !== undefined && ends[0] <= nowMs) {
					ends.shift();
					use(costMs / 2);
				}
			}
			return { used: (usedMs - before.usedMs) / forMs, stopped: (stoppedMs - before.stoppedMs) / forMs };
		},
	};
}

test("a pace that has become too high comes down, also where slots run out before it does", () => {
	const answers = { slots: 64, tookMs: 7, costMs: 0.22 };
	for (const before of [answers, { ...answers, slots: 512, tookMs: 1_000 }]) {
		for (const after of [
			answers,
			{ ...answers, costMs: 0.44 },
			{ ...answers, costMs: 0.66 },
			{ ...answers, slots: 32, costMs: 0.44 },
			{ ...answers, tookMs: 20, costMs: 0.33 },
		]) {
			const one = stoppedProcess(0.42);
			one.run(5_000, before);
			one.run(5_000, after);
			const { used, stopped } = one.run(10_000, after);
			expect(stopped).toBeLessThan(0.02);
			expect(used).toBeGreaterThan(0.42 * part * 0.9);
		}
	}
});

test("what was learnt in one backlog holds for the next one", () => {
	const one = process(0.4, 0.25);
	one.run(3_000);
	one.idle(60_000);
	const { used } = one.run(1_000);
	expect(used).toBeGreaterThan(0.4 * part * 0.92);
	expect(used).toBeLessThan(0.4 * part * 1.1);
});

test("jobs as they come in messages, below what fits, are started at once", () => {
	const one = process(0.4, 0.25);
	one.run(3_000);
	for (let message = 0; message < 100; message++) {
		one.idle(25);
		for (let job = 0; job < 20; job++) expect(one.pace.take()).toBe(true);
	}
});

test("something is always started, however much else uses the CPU", () => {
	const one = process(0.4, 0.25, 15);
	one.run(10_000);
	expect(one.run(10_000).started).toBeGreaterThanOrEqual(10_000 * paceDefaults.min * 0.9);
});

test("without a quota, or with whole CPUs, nothing waits", () => {
	for (const quota of [undefined, 1, 1.5]) {
		const one = process(quota, 1);
		for (let n = 0; n < 1_000; n++) expect(one.pace.take()).toBe(true);
	}
});
