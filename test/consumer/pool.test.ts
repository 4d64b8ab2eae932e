import fc from "fast-check";
import { expect, test } from "vitest";
import { createPool, type Finish, type Task } from "../../src/consumer/pool.ts";
import { createFakeClock } from "../fake-clock.ts";
import { never } from "./harness.ts";

function setup(workersMax = 2) {
	const clock = createFakeClock();
	const errors: unknown[] = [];
	const ends: string[] = [];
	const pool = createPool({ workersMax, graceMs: 100, clock, onError: (error) => errors.push(error) });
	const task = (id: string, run: Task["run"], deadlineMs = 1000): Task => ({
		id,
		deadlineMs,
		run,
		onFinish: (finish: Finish) => ends.push(`${id} ${finish.how}`),
	});
	return { clock, pool, task, ends, errors };
}

test("a task that succeeds, one that rejects and one that throws all finish, once, and free their worker", async () => {
	const { clock, pool, task, ends } = setup(3);
	pool.submit(task("good", async () => {}));
	pool.submit(task("bad", async () => Promise.reject(new Error("no"))));
	pool.submit(
		task("worse", () => {
			throw new Error("at once");
		}),
	);
	expect(pool.free).toBe(0);
	await clock.settle();
	expect(ends.sort()).toEqual(["bad failed", "good done", "worse failed"]);
	expect(pool.free).toBe(3);
	expect(clock.pending()).toBe(0);
});

test("a task is aborted at its deadline, and ends by itself if it heeds that", async () => {
	const { clock, pool, task, ends } = setup();
	pool.submit(
		task(
			"slow",
			(signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true })),
		),
	);
	await clock.advance(999);
	expect(ends).toEqual([]);
	await clock.advance(1);
	expect(ends).toEqual(["slow done"]);
	expect(clock.pending()).toBe(0);
});

test("a task that ignores its abort still frees its worker, and is reported abandoned", async () => {
	const { clock, pool, task, ends } = setup(1);
	pool.submit(task("deaf", () => never()));
	await clock.advance(1099);
	expect(pool.free).toBe(0);
	await clock.advance(1);
	expect(ends).toEqual(["deaf abandoned"]);
	expect(pool.free).toBe(1);
	pool.submit(task("next", async () => {}));
	await clock.settle();
	expect(ends).toEqual(["deaf abandoned", "next done"]);
});

test("a task that ends after it was abandoned is not finished twice", async () => {
	const { clock, pool, task, ends } = setup(1);
	const late = Promise.withResolvers<void>();
	pool.submit(task("late", () => late.promise));
	await clock.advance(1100);
	late.resolve();
	await clock.settle();
	expect(ends).toEqual(["late abandoned"]);
});

test("an abort from outside counts like the deadline's", async () => {
	const { clock, pool, task, ends } = setup(1);
	const reasons: unknown[] = [];
	const abort = pool.submit(
		task("one", async (signal) => {
			await clock.sleep(500, signal).catch((reason) => reasons.push(reason));
		}),
	);
	await clock.settle();
	abort("its lease is lost");
	await clock.settle();
	expect(ends).toEqual(["one done"]);
	expect(String(reasons[0])).toContain("its lease is lost");
	expect(clock.pending()).toBe(0);
});

test("draining waits for what runs, aborts it after the bound, and ends within the grace after that", async () => {
	const { clock, pool, task, ends } = setup(2);
	pool.submit(task("quick", () => clock.sleep(50)));
	pool.submit(task("deaf", () => never(), 60_000));
	let drained = false;
	void pool.drain(300).then(() => {
		drained = true;
	});
	expect(pool.free).toBe(0);
	expect(() => pool.submit(task("more", async () => {}))).toThrow();
	await clock.advance(399);
	expect(drained).toBe(false);
	await clock.advance(1);
	expect(drained).toBe(true);
	expect(ends).toEqual(["quick done", "deaf abandoned"]);
	expect(clock.pending()).toBe(0);
});

test("an onFinish that throws is reported, and its worker goes on", async () => {
	const { clock, pool, task, ends, errors } = setup(1);
	pool.submit({
		...task("bad", async () => {}),
		onFinish: () => {
			throw new Error("oops");
		},
	});
	await clock.settle();
	expect(errors).toHaveLength(1);
	pool.submit(task("next", async () => {}));
	await clock.settle();
	expect(ends).toEqual(["next done"]);
});

test("whatever tasks do, each finishes exactly once and all workers are free in the end", async () => {
	const behaviour = fc.record({
		kind: fc.constantFrom("done", "fail", "deaf", "heeds"),
		ms: fc.integer({ min: 0, max: 3000 }),
		abortAtMs: fc.option(fc.integer({ min: 0, max: 3000 })),
	});
	await fc.assert(
		fc.asyncProperty(fc.array(behaviour, { maxLength: 12 }), async (behaviours) => {
			const { clock, pool, task, ends } = setup(12);
			behaviours.forEach(({ kind, ms, abortAtMs }, i) => {
				const abort = pool.submit(
					task(String(i), async (signal) => {
						if (kind === "deaf") return never();
						await clock.sleep(ms, kind === "heeds" ? signal : undefined);
						if (kind === "fail") throw new Error("no");
					}),
				);
				if (abortAtMs !== null) clock.after(abortAtMs, () => abort("told to"));
			});
			await clock.advance(10_000);
			expect(ends.map((end) => end.split(" ")[0]).sort()).toEqual(behaviours.map((_, i) => String(i)).sort());
			expect(pool.free).toBe(12);
			expect(clock.pending()).toBe(0);
		}),
		{ numRuns: 50 },
	);
});
