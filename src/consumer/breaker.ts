// Keeps payments away from a processor that does not charge: opens after failures in a row, where half of what was sent of
// late failed, or where it says so itself, then lets single payments try it, with growing pauses between them.
//
// A probe that is told that it did not charge has staked nothing, so these pauses stay short: what charges again is known
// soon. One that is left without an answer leaves its payment in doubt, so these grow long.
import { type Backoff, backoffMs } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { createRecent } from "./recent.ts";

export interface BreakerSettings {
	/** So many failures without a success in between open it. */
	readonly failuresMax: number;
	/** So great a part of the recent outcomes opens it too, where there were so many. */
	readonly failedShareMax: number;
	readonly outcomesMin: number;
	/** A processor does well where at most this part of the recent outcomes failed, of at least so many. */
	readonly wellShareMax: number;
	readonly wellMin: number;
	/** Recent: the last one to two of these, ms. */
	readonly windowMs: number;
	/** Pauses before a probe, by what the last outcome was: full jitter, over `probeMinMs`. */
	readonly pauses: Readonly<Record<"not_charged" | "unknown", Backoff>>;
	readonly probeMinMs: number;
}

export const breakerDefaults: BreakerSettings = {
	failuresMax: 5,
	failedShareMax: 0.5,
	outcomesMin: 20,
	wellShareMax: 0.1,
	wellMin: 10,
	windowMs: 1_000,
	pauses: { not_charged: { baseMs: 100, maxMs: 250 }, unknown: { baseMs: 100, maxMs: 4_000 } },
	probeMinMs: 20,
};

/** What a charge came to: `unknown` leaves its payment in doubt. */
export type BreakerSign = "charged" | "not_charged" | "unknown";

/** `probing`: one payment is on its way to find out. */
export type BreakerState = "closed" | "open" | "probing";

export interface Breaker {
	readonly state: BreakerState;
	/** It is closed, and nearly all of what was sent of late was charged. */
	readonly well: boolean;
	/** When a probe may start, ms on the monotonic clock; the past where it may now. Of no meaning while closed. */
	readonly probeAtMs: number;
	/** When it opened; undefined while closed. */
	readonly openedAtMs: number | undefined;
	/** The payment with this id is sent to find out: no other one until its outcome is recorded, or `probeEnded`. */
	probe(id: string): void;
	/** That payment's turn is over; of no effect where its outcome was recorded before. */
	probeEnded(id: string): void;
	/** The outcome of a charge of the payment with this id. */
	record(outcome: BreakerSign, id: string): void;
	/** It says of itself that it does not charge. */
	warn(): void;
	/** It says of itself that it charges: the next probe need not wait. */
	hope(): void;
	/**
	 * It says so after it had said that it does not: its word is worth something, so it closes, and the next failure opens
	 * it, that of a probe which is under way too. Not where the last attempt left a payment in doubt: then that is hope, no
	 * more. `saidAtMs`: on the monotonic clock; a word from before the probe left is nothing beside what that will find.
	 */
	trust(saidAtMs: number): void;
}

export function createBreaker(settings: BreakerSettings, clock: Clock, random: () => number): Breaker {
	const { failuresMax, failedShareMax, outcomesMin, wellShareMax, wellMin, pauses, probeMinMs, windowMs } = settings;
	const recent = createRecent(clock, windowMs);
	let state: BreakerState = "closed";
	/** The payment that is on its way to find out, while probing. */
	let probeId: string | undefined;
	/** It opened though charges still succeed now and then: those that were under way say nothing new. */
	let byShare = false;
	let lastFailure: "not_charged" | "unknown" = "not_charged";
	/** Probes in a row that failed so. */
	const tries = { not_charged: 0, unknown: 0 };
	let failures = 0;
	let probeAtMs = 0;
	/** When the last probe left. */
	let probeLeftAtMs = 0;
	let openedAtMs: number | undefined;

	function close(): void {
		if (state !== "closed") recent.forget();
		state = "closed";
		probeId = undefined;
		failures = tries.not_charged = tries.unknown = 0;
		lastFailure = "not_charged";
		openedAtMs = undefined;
	}

	/** An attempt of unknown outcome is not made again on somebody's word: each of them leaves a payment in doubt. */
	const mayBelieve = (): boolean => lastFailure !== "unknown";

	function open(): void {
		state = "open";
		probeId = undefined;
		openedAtMs ??= clock.monotonic();
		probeAtMs = clock.monotonic() + probeMinMs + backoffMs(pauses[lastFailure], tries[lastFailure], random);
	}

	function hope(): void {
		if (state !== "open") return;
		tries.not_charged = 0;
		probeAtMs = clock.monotonic();
	}

	return {
		get state() {
			return state;
		},
		get well() {
			return state === "closed" && recent.count >= wellMin && recent.failedShare <= wellShareMax;
		},
		get probeAtMs() {
			return probeAtMs;
		},
		get openedAtMs() {
			return openedAtMs;
		},
		probe(id) {
			if (state !== "open") return;
			state = "probing";
			probeId = id;
			probeLeftAtMs = clock.monotonic();
		},
		probeEnded(id) {
			if (state === "probing" && id === probeId) open();
		},
		record(outcome, id) {
			recent.add(outcome === "charged" ? "success" : "failure");
			// What was under way when it opened says nothing of how the processor is now: the probe does.
			if (state === "probing" && id !== probeId) return;
			if (outcome === "charged") {
				if (state === "open" && byShare) return;
				close();
				return;
			}
			failures++;
			lastFailure = outcome;
			if (state === "probing") {
				tries[outcome]++;
				if (outcome === "not_charged") tries.unknown = 0;
				open();
			} else if (state === "closed") {
				byShare = recent.count >= outcomesMin && recent.failedShare >= failedShareMax;
				if (byShare || failures >= failuresMax) open();
			}
		},
		warn() {
			if (state !== "closed") return;
			byShare = false;
			open();
		},
		hope,
		trust(saidAtMs) {
			if (state === "closed" || !mayBelieve()) return hope();
			if (state === "probing" && saidAtMs < probeLeftAtMs) return;
			close();
			failures = failuresMax - 1;
		},
	};
}
