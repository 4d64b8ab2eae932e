// The jobs in hand: every lease that this consumer holds, until its end is on disk at the queue.
//
// A job stays here while its release or settle is not answered, so that a stream that reconnects takes its lease up
// again: a lease that nobody names is taken for one whose job never arrived.
import { ChurnMap } from "../churn.ts";
import type { Clock } from "../clock.ts";
import type { AttemptResult } from "../payment/life.ts";
import type { Job } from "./ports.ts";

export interface Hand {
	readonly job: Job;
	/** Monotonic ms. */
	readonly arrivedAtMs: number;
	/** By the same clock: before its start, where the payment has waited for longer. */
	readonly acceptedAtMs: number;
	/** Until when the lease surely holds, monotonic ms: counted from when a renewal was asked, not from its answer. */
	leaseEndsAtMs: number;
	/** The queue said that the lease is gone: nothing may be pinned or sent under it any more. */
	lost: boolean;
	/** A POST may have left under this lease. */
	sent: boolean;
	/** What is known of the attempt under this lease. */
	result: AttemptResult;
	/** It was sent to find out whether its processor charges again. */
	probing: boolean;
	/** Its retry cost the budget nothing. */
	freeRetry: boolean;
	/** Set while a worker has it. */
	abort: ((reason: string) => void) | undefined;
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
		probing: false,
		freeRetry: false,
		abort: undefined,
	};
}

export function createHands(clock: Clock): Hands {
	const byToken = new ChurnMap<bigint, Hand>();
	return {
		take(job, leaseMs) {
			const arrivedAtMs = clock.monotonic();
			const hand = newHand(job, arrivedAtMs, arrivedAtMs + leaseMs);
			byToken.set(job.token, hand);
			return hand;
		},
		drop(hand) {
			byToken.delete(hand.job.token);
		},
		has: (hand) => byToken.has(hand.job.token),
		all: () => [...byToken.values()],
		extend(hands, askedAtMs, leaseMs) {
			for (const hand of hands) if (!hand.lost) hand.leaseEndsAtMs = askedAtMs + leaseMs;
		},
		lose(tokens) {
			const lost: Hand[] = [];
			for (const token of tokens) {
				const hand = byToken.get(token);
				if (!hand || hand.lost) continue;
				hand.lost = true;
				if (!hand.sent) hand.abort?.("its lease is lost");
				lost.push(hand);
			}
			return lost;
		},
		holds: (hand) => !hand.lost && clock.monotonic() < hand.leaseEndsAtMs,
		get size() {
			return byToken.size;
		},
	};
}
