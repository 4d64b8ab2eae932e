import fc from "fast-check";
import { expect, test } from "vitest";
import { createPace, paceDefaults } from "../../src/consumer/pace.ts";

/** A process for which each start, and each time that it wakes up, costs so much CPU. There is always more to start. */
function process(quota: number | undefined, costMs: number, wakeMs = 0) {
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
				nowMs += Math.max(pace.nextMs, 1);
			}
			return { used: (usedMs - before.usedMs) / forMs, started: started - before.started };
		},
		idle(forMs: number) {
			nowMs += forMs;
		},
	};
}

test("whatever a start costs, nearly all of the quota is used, and no more than it", () => {
	const quotas = fc.double({ min: 0.2, max: 0.95, noNaN: true });
	const costs = fc.double({ min: 0.05, max: 1.5, noNaN: true });
	fc.assert(
		fc.property(quotas, costs, fc.double({ min: 0, max: 0.5, noNaN: true }), (quota, costMs, wakeMs) => {
			const one = process(quota, costMs, wakeMs);
			one.run(3_000);
			const { used } = one.run(5_000);
			expect(used).toBeLessThan(quota * 1.02);
			expect(used).toBeGreaterThan(quota * 0.85);
		}),
	);
});

test("what was learnt in one backlog holds for the next one", () => {
	const one = process(0.4, 0.25);
	one.run(3_000);
	one.idle(60_000);
	const { used } = one.run(1_000);
	expect(used).toBeGreaterThan(0.35);
	expect(used).toBeLessThan(0.41);
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
