import { describe, expect, test } from "vitest";
import { createPacer, pace } from "../../src/bench/pacer.ts";

describe("the pacer", () => {
	test("calls each moment once, in order, and none before its time", async () => {
		const late: number[] = [];
		const called: number[] = [];
		const times = Float64Array.from({ length: 200 }, (_, n) => Math.floor(n / 3) / 4);
		await pace(times, (atMs) => {
			called.push(atMs);
			late.push(performance.now() - atMs);
		});
		expect(called).toHaveLength(200);
		expect(called).toEqual(called.toSorted((a, b) => a - b));
		// The clocks of two threads are told apart to a fraction of a millisecond.
		expect(Math.min(...late)).toBeGreaterThan(-0.5);
	});

	test("moments may be added while others wait, and after all have come, many times around the ring", async () => {
		const room = 3;
		let called = 0;
		const all = Promise.withResolvers<void>();
		const pacer = await createPacer(room, () => {
			if (++called === 1000) all.resolve();
			else if (called <= 1000 - room) pacer.add(performance.now());
		});
		for (let i = 0; i < room; i++) pacer.add(performance.now());
		await all.promise;
		await pacer.close();
		expect(called).toBe(1000);
	});

	test("no more wait than there is room for", async () => {
		const pacer = await createPacer(1, () => {});
		pacer.add(performance.now() + 60_000);
		expect(() => pacer.add(performance.now() + 60_000)).toThrow("more than 1 moments");
		await pacer.close();
	});

	test("ends at once when it is aborted", async () => {
		const stop = new AbortController();
		const run = pace(Float64Array.from([0, 60_000]), () => stop.abort(), stop.signal);
		await expect(run).resolves.toBeUndefined();
	});
});
