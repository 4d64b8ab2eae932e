// Keeps payments away from a processor that does not charge: opens after failures in a row, then lets single payments
// try it, with growing pauses between them.
import type { Clock } from "../clock.ts";
import { type Backoff, backoffMs } from "./backoff.ts";

export interface BreakerSettings {
	/** So many failures without a success in between open it. */
	readonly failuresMax: number;
	/** Pauses before a probe: full jitter, over `probeMinMs`. */
	readonly pause: Backoff;
	readonly probeMinMs: number;
}

export const breakerDefaults: BreakerSettings = {
	failuresMax: 5,
	pause: { baseMs: 100, maxMs: 4_000 },
	probeMinMs: 20,
};

/** `probing`: one payment is on its way to find out. */
export type BreakerState = "closed" | "open" | "probing";

export interface Breaker {
	readonly state: BreakerState;
	/** When a probe may start, ms on the monotonic clock; the past where it may now. Of no meaning while closed. */
	readonly probeAtMs: number;
	/** When it opened; undefined while closed. */
	readonly openedAtMs: number | undefined;
	/** A payment is sent to find out: no other one until it is recorded, or `probeEnded`. */
	probe(): void;
	/** The probe ended without having asked the processor anything. */
	probeEnded(): void;
	record(outcome: "success" | "failure"): void;
	/** Something else said that the processor may have recovered: the next probe need not wait. */
	hope(): void;
}

export function createBreaker(settings: BreakerSettings, clock: Clock, random: () => number): Breaker {
	const { failuresMax, pause, probeMinMs } = settings;
	let state: BreakerState = "closed";
	let failures = 0;
	let probes = 0;
	let probeAtMs = 0;
	let openedAtMs: number | undefined;

	function open(): void {
		state = "open";
		openedAtMs ??= clock.monotonic();
		probeAtMs = clock.monotonic() + probeMinMs + backoffMs(pause, probes, random);
	}

	return {
		get state() {
			return state;
		},
		get probeAtMs() {
			return probeAtMs;
		},
		get openedAtMs() {
			return openedAtMs;
		},
		probe() {
			if (state === "open") state = "probing";
		},
		probeEnded() {
			if (state === "probing") open();
		},
		record(outcome) {
			if (outcome === "success") {
				state = "closed";
				failures = probes = 0;
				openedAtMs = undefined;
				return;
			}
			failures++;
			if (state === "probing") {
				probes++;
				open();
			} else if (state === "closed" && failures >= failuresMax) open();
		},
		hope() {
			if (state !== "open") return;
			probes = 0;
			probeAtMs = Math.min(probeAtMs, clock.monotonic());
		},
	};
}
