// The life of a payment, as a pure state machine: every rule about who may be asked to charge it is in this file.
//
// A payment is **accepted** once, under its id. A worker that holds its lease and a slot at a processor **pins** it to
// that processor: from then on it is **in flight**, and one attempt, named by the lease's token, is open. The attempt
// ends in one of three ways. The processor says that it charged: the payment is **settled**. It is proved that this
// attempt did not charge and never will (connection refused, 429, an empty-bodied 500): the pin is lifted and the
// payment is accepted again. Or nothing is known (time-out, reset, any other answer, a worker that died, a lease that
// ran out): the payment is **in doubt**, and the pin stays for good, because the request that nobody answered may
// sleep out its delay and charge after all. A later attempt's proof says nothing about it. In doubt, the payment is
// given out again and again with growing pauses, to ask its own processor only; after a bound it is **parked**, where
// a person may decide, and is still asked for now and then. A person may **give up** a parked payment; should proof of
// its charge turn up all the same, it is settled, because what is charged belongs in the books.
//
//   accepted ──pin──▶ in flight ──settle──▶ settled
//      ▲                │    └──unknown──▶ in doubt ──settle──▶ settled
//      └──not charged───┘                    │  ▲
//                                     bound  ▼  │ retry
//                                          parked ──settle──▶ settled, ──give up──▶ given up ──late proof──▶ settled
import { equalBackoffMs, equalJitterMs } from "../backoff.ts";
import type { Processor } from "./payment.ts";

export type PaymentState = "accepted" | "in_flight" | "in_doubt" | "parked" | "settled" | "given_up";

/** The processor that a payment is bound to, and the `requestedAt` (µs, a whole ms) of every POST under the pin. */
export interface Pin {
	readonly processor: Processor;
	readonly requestedAtUs: number;
}

/** A charge as the processor recorded it. */
export interface Charge {
	readonly processor: Processor;
	readonly amountCents: bigint;
	readonly requestedAtUs: number;
}

/**
 * What is known of the attempt that a lease's token names. `none`: no attempt was committed under this lease. `unasked`:
 * nor was the processor asked for an earlier one, so that the payment has had no turn.
 */
export type AttemptResult = "unasked" | "none" | "not_charged" | "unknown";

/** One attempt to charge, named by its lease's token. */
export interface Attempt {
	readonly token: number;
	readonly processor: Processor;
	readonly requestedAtUs: number;
	readonly state: "open" | "not_charged" | "unknown" | "charged";
}

export interface Resolution {
	readonly decision: "settle" | "retry" | "give_up";
	readonly who: string;
	readonly why: string;
	readonly atUs: number;
}

/** A payment, whole. Immutable: each transition makes a new one. */
export interface Payment {
	readonly id: string;
	readonly amountCents: bigint;
	readonly acceptedAtUs: number;
	readonly state: PaymentState;
	/** Present in flight, in doubt and parked; kept when given up. */
	readonly pin?: Pin;
	/** Token of the attempt whose end is not reported yet; 0 when none is open. */
	readonly openAttempt: number;
	/** Attempts committed so far, under any pin. */
	readonly attempts: number;
	/** Attempts that have ended, oldest first: the first and the last few. */
	readonly attemptLog: readonly Attempt[];
	/** How often it was given back in doubt; the pauses grow with it. */
	readonly rounds: number;
	/** In doubt and parked: since when, wall clock ms; kept when given up. */
	readonly doubtSinceMs?: number;
	/** In doubt and parked: from when on its processor is to be asked again, wall clock ms. */
	readonly dueAtMs?: number;
	readonly charge?: Charge;
	readonly settledAtUs?: number;
	/** Settled with another amount or moment than was asked for, or after it was given up: a person should look. */
	readonly flagged: boolean;
	readonly resolution?: Resolution;
}

/** How long payments in doubt wait. All ms. */
export interface DoubtPolicy {
	readonly pauseMinMs: number;
	readonly pauseMaxMs: number;
	/** In doubt for longer than this, a payment is parked. */
	readonly parkAfterMs: number;
	readonly parkedPauseMs: number;
}

/** The moment of a transition (wall clock, ms), and a number in [0, 1) for the jitter of pauses. */
export interface Moment {
	readonly nowMs: number;
	readonly random: number;
}

const attemptLogMax = 8;

export function accept(id: string, amountCents: bigint, nowUs: number): Payment {
	return {
		id,
		amountCents,
		acceptedAtUs: nowUs,
		state: "accepted",
		openAttempt: 0,
		attempts: 0,
		attemptLog: [],
		rounds: 0,
		flagged: false,
	};
}

/**
 * Accepts a payment that a purge forgot while it was in doubt: it may have been charged at `processor`, so it begins
 * its new life in doubt, and only that processor will be asked.
 */
export function acceptInDoubt(id: string, amountCents: bigint, processor: Processor, nowMs: number): Payment {
	return {
		...accept(id, amountCents, Math.floor(nowMs * 1000)),
		state: "in_doubt",
		pin: { processor, requestedAtUs: Math.floor(nowMs) * 1000 },
		doubtSinceMs: nowMs,
		dueAtMs: nowMs,
	};
}

/**
 * Commits an attempt: the payment is bound to `processor`, and the attempt named by `token` is open. Repeated for the
 * same token it changes nothing. `undefined` where the payment is bound to the other processor or has ended.
 */
export function pin(payment: Payment, processor: Processor, token: number, nowMs: number): Payment | undefined {
	if (payment.state === "settled" || payment.state === "given_up") return undefined;
	if (payment.pin && payment.pin.processor !== processor) return undefined;
	if (payment.openAttempt === token) return payment;
	const before = payment.openAttempt === 0 ? payment : loseTrack(payment, nowMs);
	return {
		...before,
		state: before.state === "accepted" ? "in_flight" : before.state,
		pin: before.pin ?? { processor, requestedAtUs: Math.floor(nowMs) * 1000 },
		openAttempt: token,
		attempts: before.attempts + 1,
	};
}

/** The lease named by `token` ends without a charge; `result` is what is known of its attempt. */
export function release(
	payment: Payment,
	token: number,
	result: AttemptResult,
	moment: Moment,
	policy: DoubtPolicy,
): Payment {
	if (payment.state === "settled" || payment.state === "given_up") return payment;
	let next = payment;
	if (payment.openAttempt === token) {
		next = result === "not_charged" ? endAttempt(payment, "not_charged") : loseTrack(payment, moment.nowMs);
		if (next.state === "in_flight") {
			const { pin: _, ...unbound } = next;
			return { ...unbound, state: "accepted" };
		}
	}
	if (next.state === "accepted" || next.state === "in_flight") return next;
	return result === "unasked" && next === payment ? pauseAgain(payment, moment, policy) : pause(next, moment, policy);
}

/** What a settle comes to: the settled payment, or why nothing changed. */
export type Settled = { readonly payment: Payment } | { readonly unchanged: "repeated" | "refused" };

/**
 * Proof of a charge came from the processor. It is believed from whoever brings it, but only of the processor that the
 * payment is bound to.
 */
export function settle(payment: Payment, charge: Charge, nowUs: number): Settled {
	if (payment.state === "settled")
		return { unchanged: payment.charge?.processor === charge.processor ? "repeated" : "refused" };
	if (payment.pin?.processor !== charge.processor) return { unchanged: "refused" };
	const differs = charge.amountCents !== payment.amountCents || charge.requestedAtUs !== payment.pin.requestedAtUs;
	const { pin: _, dueAtMs: __, doubtSinceMs: ___, ...rest } = endAttempt(payment, "charged");
	return {
		payment: {
			...rest,
			state: "settled",
			charge,
			settledAtUs: nowUs,
			flagged: differs || payment.state === "given_up",
		},
	};
}

/** A person's decision on a parked payment; `undefined` where it is not parked, or charged elsewhere than it is bound. */
export function resolve(payment: Payment, resolution: Resolution, charge: Charge | undefined): Payment | undefined {
	if (payment.state !== "parked") return undefined;
	const nowMs = resolution.atUs / 1000;
	switch (resolution.decision) {
		case "retry":
			return { ...payment, state: "in_doubt", rounds: 0, doubtSinceMs: nowMs, dueAtMs: nowMs, resolution };
		case "give_up": {
			const { dueAtMs: _, ...rest } = endAttempt(payment, "unknown");
			return { ...rest, state: "given_up", resolution };
		}
		case "settle": {
			if (!charge) return undefined;
			const settled = settle(payment, charge, resolution.atUs);
			return "payment" in settled ? { ...settled.payment, resolution } : undefined;
		}
	}
}

/** In doubt, its processor charges again after all: there is no reason to wait out a pause that grew while it did not. */
export function hasten(payment: Payment, dueAtMs: number): Payment {
	const sooner = payment.state === "in_doubt" && payment.dueAtMs !== undefined && dueAtMs < payment.dueAtMs;
	return sooner ? { ...payment, dueAtMs } : payment;
}

/** The open attempt's outcome is unknown: the payment is in doubt from now on, if it was not before. */
function loseTrack(payment: Payment, nowMs: number): Payment {
	const ended = endAttempt(payment, "unknown");
	return ended.state === "in_flight" ? { ...ended, state: "in_doubt", rounds: 0, doubtSinceMs: nowMs } : ended;
}

function endAttempt(payment: Payment, state: "not_charged" | "unknown" | "charged"): Payment {
	if (payment.openAttempt === 0 || !payment.pin) return payment;
	const ended: Attempt = { token: payment.openAttempt, ...payment.pin, state };
	const log = payment.attemptLog;
	const kept = log.length < attemptLogMax ? log : [log[0] as Attempt, ...log.slice(2)];
	return { ...payment, openAttempt: 0, attemptLog: [...kept, ended] };
}

/** Had no turn: it pauses as before, and is neither parked for it nor put further back. */
function pauseAgain(payment: Payment, { nowMs, random }: Moment, policy: DoubtPolicy): Payment {
	const pauseMs = nextPauseMs(payment.state === "parked", payment.rounds - 1, random, policy);
	return { ...payment, dueAtMs: nowMs + pauseMs };
}

/** Parked after the bound. */
function pause(payment: Payment, { nowMs, random }: Moment, policy: DoubtPolicy): Payment {
	const doubtSinceMs = payment.doubtSinceMs ?? nowMs;
	const parked = payment.state === "parked" || nowMs - doubtSinceMs >= policy.parkAfterMs;
	return {
		...payment,
		state: parked ? "parked" : "in_doubt",
		rounds: payment.rounds + 1,
		doubtSinceMs,
		dueAtMs: nowMs + nextPauseMs(parked, payment.rounds, random, policy),
	};
}

/** Pauses with jitter between half and full, which grow until the payment is parked. */
function nextPauseMs(parked: boolean, rounds: number, random: number, policy: DoubtPolicy): number {
	const chance = (): number => random;
	if (parked) return equalJitterMs(policy.parkedPauseMs, chance);
	return equalBackoffMs({ baseMs: policy.pauseMinMs, maxMs: policy.pauseMaxMs }, Math.max(rounds, 0), chance);
}
