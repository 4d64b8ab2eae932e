// The jobs in hand: every lease that this consumer holds, until its end is on disk at the queue.
//
// A job stays here while its release or settle is not answered, so that a stream that reconnects takes its lease up
// again: a lease that nobody names is taken for one whose job never arrived.
import type { Clock } from "../clock.ts";
import type { AttemptResult } from "../payment/life.ts";
import type { Job } from "./ports.ts";

export interface Hand {
	readonly job: Job;
	/** Monotonic ms. */
	readonly arrivedAtMs: number;
	/** By the same clock: before its start, where the payment has waited for longer. */
	readonly acceptedAtMs: number;
	/**
	 * Until when the lease is taken to hold, monotonic ms: counted from when a renewal was asked, not from its answer, but
	 * until the first one from the job's arrival, which is late by its way here. That is harmless, as nothing is sent
	 * without a pin, and the queue fences pins by its own clock.
	 */
	leaseEndsAtMs: number;
	/** The queue said that the lease is gone: nothing may be pinned or sent under it any more. */
	lost: boolean;
	/** A POST may have left under this lease. */
	sent: boolean;
	/** What is known of the attempt under this lease. */
	result: AttemptResult;
	/** Its end is being told to the queue, which may have it before it says so: a lease that is gone then was not lost. */
	ending: boolean;
	/** It was sent to find out whether its processor charges again. */
	probing: boolean;
	/** Its retry cost the budget nothing. */
	freeRetry: boolean;
	/** Set while a worker has it. */
	abort: ((reason: string) => void) | undefined;
	/** Its place among all that are held; -1 where it is not. */
	at: number;
}

export interface Hands {
	take(job: Job, leaseMs: number): Hand;
	drop(hand: Hand): void;
	has(hand: Hand): boolean;
	all(): Hand[];
	/** After a renewal or a reclaim that was asked at `askedAtMs` about these. */
	extend(hands: readonly Hand[], askedAtMs: number, leaseMs: number): void;
	/** Marks the hands with these tokens as lost; what is being worked on and has not been sent is aborted. */
	lose(tokens: readonly bigint[]): Hand[];
	/** May something still be pinned or sent under it? */
	holds(hand: Hand): boolean;
	readonly size: number;
}

/** All its members at once, so that hands stay of one shape. */
export function newHand(job: Job, arrivedAtMs: number, leaseEndsAtMs: number): Hand {
	return {
		job,
		arrivedAtMs,
		acceptedAtMs: arrivedAtMs - job.waitedMs,
		leaseEndsAtMs,
		lost: false,
		sent: false,
		result: "unasked",
		ending: false,
		probing: false,
		freeRetry: false,
		abort: undefined,
		at: -1,
	};
}

export function createHands(clock: Clock): Hands {
	/** By place; a Map by token would cost each of them more than it weighs, and leases are seldom lost. */
	const held: Hand[] = [];
	return {
		take(job, leaseMs) {
			const arrivedAtMs = wholeMs(clock.monotonic());
			const hand = newHand(job, arrivedAtMs, arrivedAtMs + wholeMs(leaseMs));
			hand.at = held.push(hand) - 1;
			return hand;
		},
		drop(hand) {
			if (hand.at < 0) return;
			// The last one takes its place.
			const last = held.pop()!;
			if (last !== hand) {
				held[hand.at] = last;
				last.at = hand.at;
			}
			hand.at = -1;
		},
		has: (hand) => hand.at >= 0,
		all: () => held.slice(),
		extend(hands, askedAtMs, leaseMs) {
			for (const hand of hands) hand.leaseEndsAtMs = wholeMs(askedAtMs + leaseMs);
		},
		lose(tokens) {
			const gone = new Set(tokens);
			const lost = held.filter((hand) => !hand.lost && gone.has(hand.job.token));
			for (const hand of lost) {
				hand.lost = true;
				if (!hand.sent) hand.abort?.("its lease is lost");
			}
			return lost;
		},
		holds: (hand) => !hand.lost && clock.monotonic() < hand.leaseEndsAtMs,
		get size() {
			return held.length;
		},
	};
}

/** A whole number is kept in its place, any other one is an object of its own. Rounded so that no lease seems longer. */
function wholeMs(ms: number): number {
	return Math.floor(ms);
}
