// How many charges of the recent past went well, and how many did not.
import type { Clock } from "../clock.ts";
import { countEnded } from "./windows.ts";

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
	const ended = countEnded(clock, windowMs);
	let current = { success: 0, failure: 0 };
	let before = { success: 0, failure: 0 };

	function turn(): void {
		const windows = ended();
		if (windows === 0) return;
		before = windows === 1 ? current : { success: 0, failure: 0 };
		current = { success: 0, failure: 0 };
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
