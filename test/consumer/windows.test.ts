import { expect, test } from "vitest";
import { countEnded } from "../../src/consumer/windows.ts";
import { createFakeClock } from "../fake-clock.ts";

test("a window ends with its last millisecond, the next one begins when that is seen, and of many two are told", async () => {
	const clock = createFakeClock();
	const ended = countEnded(clock, 100);
	const after = async (ms: number) => {
		await clock.advance(ms);
		return ended();
	};
	expect(ended()).toBe(0);
	expect(await after(99)).toBe(0);
	expect(await after(1)).toBe(1);
	expect(ended()).toBe(0);
	expect(await after(199)).toBe(1);
	expect(await after(200)).toBe(2);
	expect(await after(10_000)).toBe(2);
	expect(await after(99)).toBe(0);
});
