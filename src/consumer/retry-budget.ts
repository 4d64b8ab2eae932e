// The budget for retries: they may add a part of the first attempts, so that trouble is never answered with more load.
//
// Each first attempt puts a part of a token in, each retry takes one out. A bounded burst may be saved up, and a trickle
// comes in whatever happens, so that the last payments of a backlog are not left behind. A retry at a processor that does
// well is free: it adds to no trouble, and the backlog that trouble has left would take too long otherwise.
import type { Clock } from "../clock.ts";

export interface RetryBudgetSettings {
	/** Tokens that one first attempt earns. */
	readonly ratio: number;
	readonly burstMax: number;
	readonly tricklePerS: number;
}

/** A tenth of all attempts are retries when there is one for nine first ones. */
export const retryBudgetDefaults: RetryBudgetSettings = { ratio: 1 / 9, burstMax: 128, tricklePerS: 25 };

export interface RetryBudget {
	/** A first attempt is made. */
	earn(): void;
	/** A retry that was allowed is made. */
	retried(): void;
	/** A retry is to be made: true where it may. */
	spend(free: boolean): boolean;
	/** A retry that was allowed is not made after all. */
	refund(free: boolean): void;
	readonly available: boolean;
	/** ms until one is available, if no first attempt earns it before. */
	nextMs(): number;
	/** Attempts that were made: neither ever goes down. */
	readonly firsts: number;
	readonly retries: number;
}

export function createRetryBudget({ ratio, burstMax, tricklePerS }: RetryBudgetSettings, clock: Clock): RetryBudget {
	let tokens = burstMax;
	let filledAtMs = clock.monotonic();
	let firsts = 0;
	let retries = 0;

	function fill(): void {
		const nowMs = clock.monotonic();
		tokens = Math.min(burstMax, tokens + ((nowMs - filledAtMs) / 1000) * tricklePerS);
		filledAtMs = nowMs;
	}

	return {
		earn() {
			firsts++;
			tokens = Math.min(burstMax, tokens + ratio);
		},
		retried() {
			retries++;
		},
		spend(free) {
			fill();
			if (free) return true;
			if (tokens < 1) return false;
			tokens--;
			return true;
		},
		refund(free) {
			if (!free) tokens = Math.min(burstMax, tokens + 1);
		},
		get available() {
			fill();
			return tokens >= 1;
		},
		nextMs() {
			fill();
			return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) / tricklePerS) * 1000);
		},
		get firsts() {
			return firsts;
		},
		get retries() {
			return retries;
		},
	};
}
