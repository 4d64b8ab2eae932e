// What a schedule is made of, drawn from its seed: how much there is to do, and which faults happen how often.
//
// Each fault is switched on or off by itself for a whole schedule, so that some schedules have few kinds and many of
// each: faults that hide one another are then seen apart.
import type { StoreSettings } from "../../src/cache/store/store.ts";
import { type Processor, processors } from "../../src/payment/payment.ts";
import type { Prng } from "../prng.ts";

export interface Weather {
	readonly payments: number;
	readonly workers: number;
	/** Jobs that one worker holds at most, of either kind. */
	readonly credit: number;
	/** The faults heal after this, ms. */
	readonly chaosMs: number;
	readonly settings: StoreSettings;
	readonly chargeDeadlineMs: number;
	/** A worker tells the cache of a job's end for so long. */
	readonly jobMs: number;
	readonly network: {
		readonly drop: number;
		readonly duplicate: number;
		readonly slow: number;
		readonly slowMs: number;
	};
	/** Probabilities at each commit. */
	readonly disk: { readonly crash: number; readonly syncFails: number; readonly syncMs: number };
	/** Mean time between two of them, ms; Infinity: never. */
	readonly every: {
		readonly cacheCrash: number;
		readonly cacheStop: number;
		readonly workerCrash: number;
		readonly workerStop: number;
		readonly cut: number;
		readonly flip: number;
		readonly wallJump: number;
		readonly sessionEnd: number;
		readonly person: number;
	};
	/** Probabilities at each step of a job: the worker ends, or is stopped for a while, right before it. */
	readonly atStep: { readonly crash: number; readonly stop: number };
	/** How likely a worker looks at its lease's end before it pins and sends. */
	readonly looksAtLease: number;
	/** Of each charge and each read-back: how likely the processor misbehaves. */
	readonly misbehave: number;
	readonly delaysMs: readonly number[];
	readonly purges: number;
	/** It does not recover when the other faults heal. */
	readonly dead: { readonly processor: Processor; readonly how: "failing" | "down" | "silent" } | undefined;
	/** Another POST for a payment in doubt is allowed. */
	readonly mayRepeat: number;
}

export function drawWeather(prng: Prng): Weather {
	const on = (probability: number, min: number, max: number): number =>
		prng.chance(probability) ? prng.between(min, max) : 0;
	const every = (probability: number, min: number, max: number): number =>
		on(probability, min, max) || Number.POSITIVE_INFINITY;
	const leaseMs = prng.int(150, 900);
	return {
		payments: prng.int(3, 14),
		workers: prng.int(1, 3),
		credit: prng.int(1, 6),
		chaosMs: prng.int(600, 4000),
		settings: {
			leaseMs,
			reclaimMs: prng.int(50, 800),
			queueMax: prng.chance(0.1) ? 4 : 1000,
			inFlightMax: prng.pick([1, 2, 4, 64]),
			pollGapMs: 5000,
			doubt: { pauseMinMs: 10, pauseMaxMs: 800, parkAfterMs: prng.pick([300, 1500, 60_000]), parkedPauseMs: 1500 },
			events: true,
		},
		jobMs: prng.pick([100, 2500]),
		chargeDeadlineMs: prng.pick([20, 80, 300, 1000]),
		network: {
			drop: on(0.5, 0.01, 0.2),
			duplicate: on(0.5, 0.02, 0.3),
			slow: on(0.5, 0.02, 0.3),
			slowMs: prng.pick([20, 200, 1500]),
		},
		disk: { crash: on(0.3, 0.005, 0.05), syncFails: on(0.1, 0.002, 0.02), syncMs: prng.pick([0.1, 2, 20]) },
		every: {
			cacheCrash: every(0.35, 300, 2000),
			cacheStop: every(0.15, 500, 3000),
			workerCrash: every(0.35, 300, 2000),
			workerStop: every(0.4, 200, 1500),
			cut: every(0.3, 300, 2000),
			flip: every(0.8, 50, 600),
			wallJump: every(0.1, 300, 2000),
			sessionEnd: every(0.1, 300, 2000),
			person: every(0.5, 200, 1000),
		},
		atStep: { crash: on(0.3, 0.002, 0.03), stop: on(0.4, 0.01, 0.25) },
		looksAtLease: 0.7,
		misbehave: on(0.5, 0.05, 0.5),
		delaysMs: prng.pick([
			[0, 5],
			[0, 30, 150],
			[5, 100, 500, 2000],
		]),
		purges: prng.chance(0.15) ? prng.int(1, 2) : 0,
		dead: prng.chance(0.1)
			? { processor: prng.pick(processors), how: prng.pick(["failing", "down", "silent"] as const) }
			: undefined,
		mayRepeat: prng.pick([0.3, 0.9, 1]),
	};
}
