import { expect, test } from "vitest";
import { createStopwatch } from "../../src/consumer/stopwatch.ts";
import { createFakeClock } from "../fake-clock.ts";

test("it runs on, and back as far as 0", async () => {
	const clock = createFakeClock();
	const stopwatch = createStopwatch(clock);
	const readAfter = async (direction: "on" | "back", ms: number): Promise<number> => {
		stopwatch.run(direction);
		await clock.advance(ms);
		return stopwatch.ms(clock.monotonic());
	};
	await clock.advance(1_000);
	expect(stopwatch.ms(clock.monotonic())).toBe(0);
	expect(await readAfter("on", 300)).toBe(300);
	expect(await readAfter("on", 200), "told again it runs on").toBe(500);
	expect(await readAfter("back", 100)).toBe(400);
	expect(await readAfter("on", 50)).toBe(450);
	expect(await readAfter("back", 2_000)).toBe(0);
	expect(await readAfter("on", 10), "what is below 0 is not made up for").toBe(10);
});
