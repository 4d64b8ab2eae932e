// How one consumer is doing, for metrics and logs.
import type { Processor } from "../payment/payment.ts";
import { type Board, each } from "./board.ts";
import type { BreakerState } from "./breaker.ts";
import type { ChargeEnd } from "./charge.ts";
import type { Latencies } from "./latency.ts";
import type { RetryBudget } from "./retry-budget.ts";

export interface ConsumerFigures {
	/** Jobs under a lease here: waiting, at work, or ending. */
	readonly inHand: number;
	/** Of these, payments that wait for a slot. */
	readonly waiting: number;
	readonly processors: Readonly<Record<Processor, SiteFigures>>;
	/** Attempts for payments that had none before, and for those that had. */
	readonly firsts: number;
	readonly retries: number;
	readonly ends: Readonly<Ends>;
	/** From a processor's answer to the ledger's commit, ms, of late. */
	readonly answerToCommitMs: { readonly p50: number; readonly p99: number };
}

export interface SiteFigures {
	/** Charges and read-backs open now. */
	readonly inFlight: number;
	readonly limit: number;
	readonly breaker: BreakerState;
	/** What charges took of late, ms. */
	readonly chargeMs: { readonly p50: number; readonly p99: number };
}

/** How jobs ended; `failed` and `abandoned` are mistakes in the program. */
export type Ends = Record<ChargeEnd | "failed" | "abandoned", number>;

export const noEnds = (): Ends => ({
	settled: 0,
	unsettled: 0,
	refused: 0,
	released: 0,
	fenced: 0,
	failed: 0,
	abandoned: 0,
});

export interface FigureSources {
	readonly inHand: number;
	readonly waiting: number;
	readonly board: Board;
	readonly budget: RetryBudget;
	readonly ends: Ends;
	readonly commits: Latencies;
}

export function readFigures({ board, budget, ends, commits, ...counts }: FigureSources): ConsumerFigures {
	return {
		...counts,
		processors: each((processor) => {
			const { limiter, breaker, latencies } = board[processor];
			return { inFlight: limiter.inUse, limit: limiter.limit, breaker: breaker.state, chargeMs: quantiles(latencies) };
		}),
		firsts: budget.firsts,
		retries: budget.retries,
		ends: { ...ends },
		answerToCommitMs: quantiles(commits),
	};
}

function quantiles(latencies: Latencies): { p50: number; p99: number } {
	return { p50: latencies.quantile(0.5), p99: latencies.quantile(0.99) };
}
