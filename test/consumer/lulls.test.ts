import { expect, test } from "vitest";
import { watchLulls } from "../../src/consumer/lulls.ts";
import { createFakeClock } from "../fake-clock.ts";

test("a lull is told once, where much was settled before it and nothing for a second", async () => {
	const clock = createFakeClock();
	let settled = 0;
	let lulls = 0;
	const stop = watchLulls({ clock, settled: () => settled, onLull: () => lulls++ });
	const settle = async (count: number, seconds: number): Promise<number> => {
		for (let second = 0; second < seconds; second++) {
			settled += count / seconds;
			await clock.advance(1_000);
		}
		return lulls;
	};
	expect(await settle(0, 5), "nothing to leave anything behind").toBe(0);
	expect(await settle(5_000, 5), "under way").toBe(0);
	expect(await settle(0, 1)).toBe(1);
	expect(await settle(0, 60), "the same lull").toBe(1);
	expect(await settle(900, 3)).toBe(1);
	expect(await settle(0, 5), "too little since").toBe(1);
	expect(await settle(100, 1)).toBe(1);
	expect(await settle(0, 2)).toBe(2);
	await settle(2_000, 1);
	stop();
	expect(await settle(0, 5)).toBe(2);
});
