// How many charges of the recent past went well, and how many did not.
import type { Clock } from "../clock.ts";

export interface Recent {
	add(outcome: "success" | "failure"): void;
	/** Both, over the last one to two windows. */
	readonly count: number;
	/** The part that failed, 0 to 1; 0 where there was none. */
	readonly failedShare: number;
	/** What was before says nothing about what comes. */
	forget(): void;
}

export function createRecent(clock: Clock, windowMs: number): Recent {
	let current = { success: 0, failure: 0 };
	let before = { success: 0, failure: 0 };
	let turnsAtMs = clock.monotonic() + windowMs;

	function turn(): void {
		const nowMs = clock.monotonic();
		if (nowMs < turnsAtMs) return;
		before = nowMs < turnsAtMs + windowMs ? current : { success: 0, failure: 0 };
		current = { success: 0, failure: 0 };
		turnsAtMs = nowMs + windowMs;
	}

	return {
		add(outcome) {
			turn();
			current[outcome]++;
		},
		get count() {
			turn();
			return current.success + current.failure + before.success + before.failure;
		},
		get failedShare() {
			turn();
			const failed = current.failure + before.failure;
			return failed === 0 ? 0 : failed / (failed + current.success + before.success);
		},
		forget() {
			current = { success: 0, failure: 0 };
			before = { success: 0, failure: 0 };
		},
	};
}
