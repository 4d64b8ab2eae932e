// The clocks: waiting, cancelling, and the order of simulated time.
import { expect, test, vi } from "vitest";
import { systemClock } from "../src/clock.ts";
import { createFakeClock } from "./fake-clock.ts";

test("simulated timers fire in order of their time, each with the clock at its moment, and may set further ones", async () => {
	const clock = createFakeClock(1000);
	const seen: [string, number][] = [];
	const note = (name: string) => () => seen.push([name, clock.now()]);
	clock.after(20, note("late"));
	clock.after(10, () => {
		note("first")();
		clock.after(5, note("from within"));
	});
	clock.after(10, note("second"));
	clock.after(31, note("not yet"));
	await clock.advance(30);
	expect(seen).toEqual([
		["first", 1010],
		["second", 1010],
		["from within", 1015],
		["late", 1020],
	]);
	expect(clock.monotonic()).toBe(30);
	expect(clock.pending()).toBe(1);
});

test("a chain of sleeps passes within one advance", async () => {
	const clock = createFakeClock();
	let woken = 0;
	const run = (async () => {
		for (let i = 0; i < 5; i++) {
			await clock.sleep(10);
			woken++;
		}
	})();
	await clock.advance(49);
	expect(woken).toBe(4);
	await clock.advance(1);
	await run;
	expect(woken).toBe(5);
});

test.each([
	["simulated", () => createFakeClock()],
	["real", () => systemClock],
])("an aborted sleep rejects with the reason, at once (%s)", async (_, make) => {
	const controller = new AbortController();
	const slept = make().sleep(2 ** 40, controller.signal);
	const reason = new Error("stopping");
	controller.abort(reason);
	await expect(slept).rejects.toBe(reason);
	await expect(make().sleep(1, controller.signal)).rejects.toBe(reason);
});

test("a cancelled timer does not fire, and none is left behind by an aborted sleep", async () => {
	const clock = createFakeClock();
	let fired = false;
	clock.after(5, () => {
		fired = true;
	})();
	const slept = clock.sleep(5, AbortSignal.timeout(0)).catch(() => "aborted");
	await slept;
	expect(clock.pending()).toBe(0);
	await clock.advance(10);
	expect(fired).toBe(false);
});

test("a jump of the wall clock moves no timer", async () => {
	const clock = createFakeClock(0);
	let fired = false;
	clock.after(100, () => {
		fired = true;
	});
	clock.jump(3_600_000);
	await clock.advance(99);
	expect([fired, clock.now(), clock.monotonic()]).toEqual([false, 3_600_099, 99]);
	await clock.advance(1);
	expect(fired).toBe(true);
});

test("a real timer may be longer than the runtime's own can be, and be cancelled in any part of it", () => {
	vi.useFakeTimers();
	try {
		const dayMs = 86_400_000;
		let fired = 0;
		systemClock.after(60 * dayMs, () => fired++);
		const cancel = systemClock.after(60 * dayMs, () => {
			throw new Error("it was cancelled");
		});
		vi.advanceTimersByTime(59 * dayMs);
		cancel();
		expect(fired).toBe(0);
		vi.advanceTimersByTime(dayMs);
		expect(fired).toBe(1);
		vi.advanceTimersByTime(100 * dayMs);
		expect(fired).toBe(1);
	} finally {
		vi.useRealTimers();
	}
});
