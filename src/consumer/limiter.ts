// How many requests may be open towards one processor: found out by raising the limit while all goes well, and lowering
// it when the processor, or the deployment's own bound, says that it is too much.
//
// More open requests are of use only while they do not just wait for each other. How many do is told by how much longer
// charges take than the shortest of late: with an answer time of 70 ms where 7 would do, nine of ten wait, here or there.
// Then the limit does not grow, and what it has grown to shrinks slowly.
import { equalJitterMs } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { countEnded } from "./windows.ts";

/** What an ended request said of the load. `overload`: 429, or no answer in time. `neutral`: nothing. */
export type LoadSign = "good" | "overload" | "neutral";

export interface LimiterSettings {
	/** The limit never goes below, so that there is always something to learn from. */
	readonly floor: number;
	/**
	 * To begin with, where a charge takes up to `startMs`; as many more where it takes longer, for the same pace. Long answer
	 * times alone never lower the limit beyond this.
	 */
	readonly start: number;
	readonly startMs: number;
	/** The limit never goes above, whatever the deployment's bound. */
	readonly ceiling: number;
	/** Requests for payments in doubt that may be open beside the others. */
	readonly pursuitsMax: number;
	/** What an overload leaves of the limit. */
	readonly shrink: number;
	/** The least time between two shrinkings, ms: what was sent before the first one says nothing new. */
	readonly shrinkGapMs: number;
	/** Open requests that may wait for each other before the limit stops growing; at twice as many it shrinks. */
	readonly queuedMax: number;
	/** The shortest answer time is that of the last one to two of these, ms. */
	readonly shortestWindowMs: number;
	/** How long no slot is given after the deployment's bound was met; times a number in [0.5, 1). */
	readonly noSlotPauseMs: number;
}

export const limiterDefaults: LimiterSettings = {
	floor: 8,
	start: 64,
	startMs: 100,
	ceiling: 512,
	pursuitsMax: 16,
	shrink: 0.7,
	shrinkGapMs: 500,
	queuedMax: 32,
	shortestWindowMs: 1_000,
	noSlotPauseMs: 50,
};

/** So much of the limit is in use where an answer says something about a higher one. */
const usedShareMin = 1 / 2;
/** What a round of good answers, as many as the limit, adds to it once an overload was met. */
const slotsPerRound = 4;
/** So many times `queuedMax` wait where the limit shrinks. In between it stays as it is. */
const tooManyQueued = 2;
/** What each answer takes of the limit then. */
const slotsPerLongWait = 1 / 4;

export interface Limiter {
	/** Slots that a fresh payment could take now. */
	readonly free: number;
	readonly freeForPursuits: number;
	/** Requests open now: charges and read-backs, of payments in doubt too. */
	readonly inUse: number;
	readonly limit: number;
	/** Takes a slot; false where none is free. Each that was taken is given back, once. */
	take(kind: "fresh" | "pursuit"): boolean;
	giveBack(kind: "fresh" | "pursuit"): void;
	/** The processor said that it charges, and how long that takes, ms. */
	announce(ms: number): void;
	/** A charge ended, after `tookMs`. */
	observe(sign: LoadSign, tookMs: number): void;
	/** The deployment's bound, over all consumers. */
	setBound(inFlightMax: number): void;
	/** The queue said that the bound is met. */
	noSlot(): void;
	/** When slots are given again after `noSlot`, ms on the monotonic clock; 0 where they are. */
	pausedUntilMs(): number;
}

export function createLimiter(settings: LimiterSettings, clock: Clock, random: () => number): Limiter {
	const { floor, start, startMs, shrink, shrinkGapMs, pursuitsMax, noSlotPauseMs, queuedMax, shortestWindowMs } =
		settings;
	let ceiling = settings.ceiling;
	let limit = Math.min(start, ceiling);
	let fresh = 0;
	let pursuits = 0;
	let shrunkAtMs = Number.NEGATIVE_INFINITY;
	/** Until the first overload each good answer raises the limit by one, so that it doubles in a round of answers. */
	let climbing = true;
	let pausedUntilMs = 0;
	let announcedMs = 0;

	const ended = countEnded(clock, shortestWindowMs);
	let shortestMs = Number.POSITIVE_INFINITY;
	let shortestBeforeMs = Number.POSITIVE_INFINITY;

	/** How many of the open requests wait for others, by the answer time of one of them. */
	function queued(tookMs: number): number {
		const windows = ended();
		if (windows > 0) {
			shortestBeforeMs = windows === 1 ? shortestMs : Number.POSITIVE_INFINITY;
			shortestMs = Number.POSITIVE_INFINITY;
		}
		shortestMs = Math.min(shortestMs, tookMs);
		const bestMs = Math.min(shortestMs, shortestBeforeMs);
		return tookMs > 0 ? (fresh + pursuits) * (1 - bestMs / tookMs) : 0;
	}

	function grow(tookMs: number): void {
		const waiting = queued(tookMs);
		// A limit that is not used says nothing about a higher one.
		if (fresh + pursuits < limit * usedShareMin) return;
		if (waiting < queuedMax) limit = Math.min(ceiling, limit + (climbing ? 1 : slotsPerRound / limit));
		else if (waiting > queuedMax * tooManyQueued && limit > start) limit = Math.max(start, limit - slotsPerLongWait);
	}

	function lower(by: number): void {
		climbing = false;
		const nowMs = clock.monotonic();
		if (nowMs - shrunkAtMs < shrinkGapMs) return;
		shrunkAtMs = nowMs;
		limit = Math.max(Math.min(floor, ceiling), limit * by);
	}

	const paused = () => pausedUntilMs > 0 && clock.monotonic() < pausedUntilMs;
	const free = () => (paused() ? 0 : Math.max(0, Math.floor(limit) - fresh - pursuits));
	const freeForPursuits = () => (paused() ? 0 : Math.max(0, pursuitsMax - pursuits));

	return {
		get free() {
			return free();
		},
		get freeForPursuits() {
			return freeForPursuits();
		},
		get inUse() {
			return fresh + pursuits;
		},
		get limit() {
			return Math.floor(limit);
		},
		take(kind) {
			if ((kind === "fresh" ? free() : freeForPursuits()) <= 0) return false;
			if (kind === "fresh") fresh++;
			else pursuits++;
			return true;
		},
		giveBack(kind) {
			if (kind === "fresh") fresh--;
			else pursuits--;
			if (fresh < 0 || pursuits < 0) throw new Error("a slot was given back that nobody had taken");
		},
		announce(ms) {
			const grew = ms > announcedMs;
			announcedMs = ms;
			// To wait for the first answers before the limit grows would take a slow one as many delays as the limit doubles.
			// Said again it is no news, and the limit may have shrunk for what it met since.
			if (climbing && grew) limit = Math.min(ceiling, Math.max(limit, (start * ms) / startMs));
		},
		observe(sign, tookMs) {
			if (sign === "overload") lower(shrink);
			else if (sign === "good") grow(tookMs);
		},
		setBound(inFlightMax) {
			ceiling = Math.min(settings.ceiling, Math.max(1, inFlightMax));
			limit = Math.min(limit, ceiling);
		},
		noSlot() {
			lower(shrink);
			pausedUntilMs = clock.monotonic() + equalJitterMs(noSlotPauseMs, random);
		},
		pausedUntilMs: () => (paused() ? pausedUntilMs : 0),
	};
}
