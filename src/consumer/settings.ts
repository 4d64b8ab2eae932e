// Every setting of a consumer, with its default.
import type { Backoff } from "../backoff.ts";
import { type BreakerSettings, breakerDefaults } from "./breaker.ts";
import { type DeadlineSettings, deadlineDefaults } from "./deadline.ts";
import { healthPauseDefaults } from "./health.ts";
import { type LimiterSettings, limiterDefaults } from "./limiter.ts";
import { queueCallMs } from "./queue.ts";
import { type RetryBudgetSettings, retryBudgetDefaults } from "./retry-budget.ts";
import { type RouteSettings, routeDefaults } from "./route.ts";
import { reconnectDefaults } from "./stream.ts";

export interface ConsumerSettings {
	/**
	 * Workers for payments without a pin. For what one processor may have open twice over: with fewer, what is sent to a
	 * second slow one is taken from the first.
	 */
	readonly workersMax: number;
	/** Workers for payments in doubt, at each processor; as many more may wait for one. */
	readonly pursuitWorkersMax: number;
	/** Payments without a pin that may be in hand; more than workers, so that none of them waits for the queue. */
	readonly creditMax: number;
	/** Of these, payments that had an attempt before: those that wait for the retry budget keep out nobody else. */
	readonly retryCreditMax: number;
	/** A job's deadline: the longest charge, and for the queue's calls before and after it, ms. */
	readonly queueCallsMs: number;
	/** How long a job may take to end after its abort, ms: longer than a call of the queue, which may be under way then. */
	readonly graceMs: number;
	/** How long a job that failed or was abandoned, or that nobody worked on, is tried to be given back, ms. */
	readonly giveBackMs: number;
	/** Repeats of settles and releases that got no answer. */
	readonly repeat: Backoff;
	readonly reconnect: Backoff;
	readonly healthPause: Backoff;
	readonly limiter: LimiterSettings;
	readonly breaker: BreakerSettings;
	readonly budget: RetryBudgetSettings;
	readonly deadline: DeadlineSettings;
	readonly route: RouteSettings;
}

export const consumerDefaults: Omit<ConsumerSettings, "route"> & { readonly route: Omit<RouteSettings, "fees"> } = {
	workersMax: 1_024,
	pursuitWorkersMax: 16,
	creditMax: 2_048,
	retryCreditMax: 512,
	queueCallsMs: 10_000,
	graceMs: queueCallMs + 500,
	giveBackMs: 10_000,
	repeat: { baseMs: 20, maxMs: 1_000 },
	reconnect: reconnectDefaults,
	healthPause: healthPauseDefaults,
	limiter: limiterDefaults,
	breaker: breakerDefaults,
	budget: retryBudgetDefaults,
	deadline: deadlineDefaults,
	route: routeDefaults,
};
