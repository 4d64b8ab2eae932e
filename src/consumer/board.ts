// What this consumer knows of each processor, kept up to date from its health answers and from the charges made there.
import type { Clock } from "../clock.ts";
import { type Processor, processors } from "../payment/payment.ts";
import { type Breaker, type BreakerSettings, createBreaker } from "./breaker.ts";
import { createLatencies, type Latencies } from "./latency.ts";
import { createLimiter, type Limiter, type LimiterSettings } from "./limiter.ts";
import type { HealthAnswer } from "./ports.ts";
import type { ProcessorKnowledge } from "./route.ts";
import { createStopwatch } from "./stopwatch.ts";

export interface Site {
	readonly limiter: Limiter;
	readonly breaker: Breaker;
	/** What charges took of late. */
	readonly latencies: Latencies;
	/** The delay that it last announced, ms. */
	readonly announcedMs: number;
	/** `nowMs`: on the monotonic clock. */
	knowledge(nowMs: number): ProcessorKnowledge;
	/** `ageMs`: how long ago it said so. */
	tell(answer: HealthAnswer, ageMs: number): void;
	/** After each look for work: do payments still wait for a processor or a worker, and is no worker free? */
	setQueued(queued: boolean, noWorker: boolean): void;
	/** It has charged a payment. */
	charged(): void;
}

export type Board = Readonly<Record<Processor, Site>>;

/** What charges took is looked at over the last one to two of these, ms. */
const latencyWindowMs = 5_000;

export interface BoardOptions {
	readonly limiter: LimiterSettings;
	readonly breaker: BreakerSettings;
	readonly clock: Clock;
	readonly random: () => number;
}

export function createBoard(options: BoardOptions): Board {
	return { default: createSite("default", options), fallback: createSite("fallback", options) };
}

function createSite(processor: Processor, { limiter: limits, breaker: breaks, clock, random }: BoardOptions): Site {
	const limiter = createLimiter(limits, clock, random);
	const breaker = createBreaker(breaks, clock, random);
	const latencies = createLatencies(clock, latencyWindowMs);
	let health: { readonly answer: HealthAnswer; readonly atMs: number } | undefined;
	let failingSinceMs: number | undefined;
	const behind = createStopwatch(clock);
	let successAtMs = Number.NEGATIVE_INFINITY;

	function downForMs(nowMs: number): number {
		const sinceMs = Math.min(failingSinceMs ?? nowMs, breaker.openedAtMs ?? nowMs);
		return nowMs - sinceMs;
	}

	return {
		limiter,
		breaker,
		latencies,
		get announcedMs() {
			return health?.answer.minResponseMs ?? 0;
		},
		knowledge(nowMs) {
			return {
				processor,
				health: health && { ...health.answer, ageMs: nowMs - health.atMs },
				measured: { meanMs: latencies.meanMs, ageMs: nowMs - latencies.lastAtMs },
				breaker: breaker.state,
				probeInMs: breaker.probeAtMs - nowMs,
				downForMs: downForMs(nowMs),
				behindForMs: behind.ms(nowMs),
				freeSlots: limiter.free,
				slotsMax: limiter.limit,
			};
		},
		tell(answer, ageMs) {
			const atMs = clock.monotonic() - ageMs;
			if (health && atMs < health.atMs) return;
			// An answer that did not come says nothing; what was heard before it grows old by itself.
			if (!answer.reachable) return;
			const failedBefore = health?.answer.failing === true;
			health = { answer, atMs };
			if (!answer.failing) {
				limiter.announce(answer.minResponseMs);
				failingSinceMs = undefined;
				if (failedBefore) breaker.trust(atMs);
				else breaker.hope();
			} else if (successAtMs < atMs) {
				failingSinceMs ??= atMs;
				breaker.warn();
			}
		},
		setQueued(queued, noWorker) {
			if (!queued || breaker.state !== "closed") behind.run("back");
			else if (noWorker || limiter.free === 0) behind.run("on");
		},
		charged() {
			successAtMs = clock.monotonic();
			failingSinceMs = undefined;
		},
	};
}

/** One value for each processor. */
export function each<T>(value: (processor: Processor) => T): Record<Processor, T> {
	return Object.fromEntries(processors.map((processor) => [processor, value(processor)])) as Record<Processor, T>;
}
