// A stopwatch that can run back: what comes and goes in moments counts for as long as it lasted, less the time between.
import type { Clock } from "../clock.ts";

export interface Stopwatch {
	/** From now on, until it is told otherwise. It begins by running back, and stands at 0. */
	run(direction: "on" | "back"): void;
	/** Never below 0, ms. `nowMs`: on the monotonic clock. */
	ms(nowMs: number): number;
}

export function createStopwatch(clock: Clock): Stopwatch {
	let direction: "on" | "back" = "back";
	let readMs = 0;
	let atMs = clock.monotonic();

	function ms(nowMs: number): number {
		const sinceMs = nowMs - atMs;
		return direction === "on" ? readMs + sinceMs : Math.max(0, readMs - sinceMs);
	}

	return {
		run(next) {
			if (next === direction) return;
			const nowMs = clock.monotonic();
			readMs = ms(nowMs);
			atMs = nowMs;
			direction = next;
		},
		ms,
	};
}
