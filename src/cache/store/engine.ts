// The engine: the queue's and the ledger's promises, carried out on rows within one transaction at a time.
//
// Synchronous and alone with its rows: whoever calls it opens the transaction before, and commits it after. The rules
// of who may be charged where are those of payment/life.ts; here they meet leases, slots, counters and epochs. Each of
// its parts has a file beside it and keeps its own state; what concerns several of them happens here.
import { type Clock, nowUs } from "../../clock.ts";
import type { Payment, Resolution } from "../../payment/life.ts";
import * as life from "../../payment/life.ts";
import type { PinOutcome, ReleaseOutcome, SettleOutcome } from "../../payment/outcome.ts";
import type { Processor } from "../../payment/payment.ts";
import { createFreshLane } from "./fresh-lane.ts";
import { createLeases, type Lease } from "./leases.ts";
import { createOutbox } from "./outbox.ts";
import { createPolls } from "./polls.ts";
import { createPursuits } from "./pursuits.ts";
import { epochMarks, type Row, type Rows } from "./rows.ts";
import type {
	EnqueueOutcome,
	Figures,
	Health,
	Job,
	Lane,
	LeaseKey,
	NewPayment,
	PinRequest,
	PurgeResult,
	Release,
	ResolveOutcome,
	Settlement,
	StoreSettings,
} from "./store.ts";
import { createTally } from "./tally.ts";

/** The transitions of a payment's life; a port, so that a simulation can break one and see that it is noticed. */
export type LifeRules = Pick<typeof life, "pin" | "release" | "settle" | "resolve">;

export type Engine = ReturnType<typeof createEngine>;

/** When a processor charges again, so many payments in doubt at it are brought forward at most, over so many ms. */
const hastenMax = 1_024;
const hastenSpreadMs = 1_000;

export function createEngine(
	rows: Rows,
	settings: StoreSettings,
	clock: Clock,
	random: () => number = Math.random,
	rules: LifeRules = life,
) {
	const marks = rows.marks;
	const leases = createLeases(marks.boot);
	const { pauseMaxMs, parkedPauseMs } = settings.doubt;
	const pursuits = createPursuits(rows, leases, clock, Math.max(pauseMaxMs, parkedPauseMs));
	const fresh = createFreshLane(rows, leases);
	const tally = createTally(marks);
	const outbox = createOutbox(rows, clock);
	const polls = createPolls(rows, clock, settings.pollGapMs);
	let purging = false;

	const moment = () => ({ nowMs: clock.now(), random: random() });
	const leaseEnd = () => clock.monotonic() + settings.leaseMs;

	for (const { payment } of fresh.recover(clock.monotonic() + settings.reclaimMs)) tally.recovered(payment);

	function change(row: Row, payment: Payment): Row {
		if (payment === row.payment) return row;
		if (payment.dueAtMs !== row.payment.dueAtMs) pursuits.changed();
		tally.changed(row.payment, payment);
		const next = { seq: row.seq, payment };
		rows.update(next);
		if (payment.state === "settled" && payment.charge) rows.book(payment.charge);
		if (settings.events) outbox.announce(row.payment, payment);
		return next;
	}

	/** Ends a lease without a charge: its payment waits again, or pauses, as `result` says of the attempt under it. */
	function giveBack(lease: Lease, row: Row, result: life.AttemptResult): void {
		leases.end(lease);
		const next = change(row, rules.release(row.payment, lease.token, result, moment(), settings.doubt));
		if (next.payment.state === "accepted") fresh.takeBack(next);
	}

	/** The lease that a request may act under; not one of an earlier epoch, as a purge ends all leases. */
	function held(key: LeaseKey & { readonly epoch: number }): Lease | undefined {
		const lease = leases.ofToken(key.token);
		return lease?.id === key.id && key.epoch === marks.epoch ? lease : undefined;
	}

	function rowOf(lease: Lease): Row {
		const row = rows.get(lease.id);
		if (!row) throw rows.contradiction(`payment ${lease.id}, which is leased,`);
		return row;
	}

	/**
	 * Payments in doubt at a processor that charges again are asked for soon, not all at once. Where they are more than
	 * `hastenMax`, those whose pauses have grown the most; the rest come when they are due.
	 */
	function hasten(processor: Processor): void {
		// One that is held pauses anew when it is given back.
		for (const row of rows.inDoubt(processor, hastenMax))
			change(row, life.hasten(row.payment, clock.now() + random() * hastenSpreadMs));
	}

	return {
		marks,
		advance: fresh.advance,

		enqueue({ id, amountCents }: NewPayment): EnqueueOutcome {
			const before = rows.get(id);
			if (before) return before.payment.amountCents === amountCents ? "repeated" : "conflict";
			if (marks.open >= settings.queueMax) return "full";
			const processor = rows.forgotten(id);
			if (processor) rows.dropForgotten(id);
			const payment = processor
				? life.acceptInDoubt(id, amountCents, processor, clock.now())
				: life.accept(id, amountCents, nowUs(clock));
			rows.insert(payment);
			if (processor) pursuits.changed();
			tally.accepted(payment);
			if (settings.events) outbox.announce(undefined, payment);
			return "accepted";
		},

		lease(session: string, lane: Lane, max: number, retriesMax = max): Job[] {
			if (purging || max <= 0) return [];
			const found = lane === "fresh" ? fresh.next(max, retriesMax) : pursuits.next(lane, max);
			const expiresAtMs = leaseEnd();
			const nowMs = clock.now();
			return found.map((row) => {
				const { id, amountCents, pin, attempts, acceptedAtUs } = row.payment;
				const { token } = leases.grant(session, { id, seq: row.seq }, lane, expiresAtMs);
				const waitedMs = Math.max(0, nowMs - acceptedAtUs / 1000);
				return { id, amountCents, token, epoch: marks.epoch, attempts, waitedMs, ...(pin && { pin }) };
			});
		},

		renew(session: string, tokens: readonly number[]): number[] {
			const expiresAtMs = leaseEnd();
			return tokens.filter((token) => !leases.renew(session, token, expiresAtMs));
		},

		/** A lease that is still there is prolonged or taken up; one that a restart ended may be given again. */
		reclaim(session: string, keys: readonly LeaseKey[]): number[] {
			const expiresAtMs = leaseEnd();
			return keys
				.filter((key) => !leases.reclaim(session, key, expiresAtMs) && !fresh.reclaim(session, key, expiresAtMs))
				.map(({ token }) => token);
		},

		pin(request: PinRequest): PinOutcome {
			const lease = held(request);
			if (!lease) return { outcome: "fenced" };
			const row = rowOf(lease);
			const { openAttempt } = row.payment;
			if (openAttempt !== request.token) {
				if (purging) return { outcome: "purging" };
				if (tally.inFlight(request.processor) >= settings.inFlightMax) return { outcome: "no_slot" };
			}
			const pinned = rules.pin(row.payment, request.processor, request.token, clock.now());
			if (!pinned?.pin) return { outcome: row.payment.pin ? "pinned_elsewhere" : "fenced" };
			change(row, pinned);
			return { outcome: "pinned", requestedAtUs: pinned.pin.requestedAtUs };
		},

		release(request: Release): ReleaseOutcome {
			const lease = held(request);
			if (!lease) return "fenced";
			giveBack(lease, rowOf(lease), request.result);
			return "released";
		},

		settle({ id, epoch, charge }: Settlement): SettleOutcome {
			const row = epoch === marks.epoch ? rows.get(id) : undefined;
			if (!row) return "stale";
			const settled = rules.settle(row.payment, charge, nowUs(clock));
			if ("unchanged" in settled) {
				if (settled.unchanged === "refused") tally.settleRefused();
				return settled.unchanged;
			}
			change(row, settled.payment);
			const lease = leases.ofId(id);
			if (lease) leases.end(lease);
			return "settled";
		},

		hasExpired: () => leases.expired(clock.monotonic()).length > 0,

		expire(): number {
			const expired = leases.expired(clock.monotonic());
			for (const lease of expired) giveBack(lease, rowOf(lease), "unknown");
			return expired.length;
		},

		/** What it has taken up or been given since it was said to be gone is its own. */
		endSession(session: string, goneAtMs: number): void {
			for (const lease of leases.ofSession(session))
				if (lease.expiresAtMs <= goneAtMs + settings.leaseMs) giveBack(lease, rowOf(lease), "unknown");
		},

		payment(id: string): Payment | undefined {
			const row = rows.get(id);
			return row && view(row.payment);
		},

		parked(after: number, max: number): { payments: Payment[]; next: number } {
			// One more tells whether a page follows.
			const found = rows.parked(after, max + 1);
			const page = found.slice(0, max);
			const payments = page.map((row) => view(row.payment));
			return { payments, next: found.length > max ? page[max - 1]!.seq : 0 };
		},

		resolve(id: string, resolution: Resolution, charge: life.Charge | undefined): ResolveOutcome {
			const row = rows.get(id);
			if (!row) return { outcome: "not_found" };
			if (row.payment.state !== "parked") return { outcome: "not_parked" };
			const resolved = rules.resolve(row.payment, resolution, charge);
			if (!resolved) return { outcome: "refused" };
			change(row, resolved);
			const lease = leases.ofId(id);
			if (lease && resolved.state !== "in_doubt") leases.end(lease);
			return { outcome: "resolved", payment: view(resolved) };
		},

		outbox: outbox.read,
		forgetOutbox: outbox.forget,

		/** Gives out and pins nothing until `purge`. */
		beginPurge(): void {
			purging = true;
		},

		openAttempts: tally.openAttempts,

		purge(): PurgeResult {
			const { forgotten, keptInDoubt } = rows.forgetAll();
			leases.clear();
			fresh.clear();
			tally.clear();
			Object.assign(marks, epochMarks(marks.epoch + 1));
			purging = false;
			return { epoch: marks.epoch, forgotten, keptInDoubt };
		},

		waiting: fresh.waiting,
		nextDueMs: pursuits.nextDueMs,
		claimPoll: polls.claim,

		saveHealth(health: Health): void {
			const chargesAgain = polls.answered(health);
			if (chargesAgain) hasten(health.processor);
		},

		figures(): Omit<Figures, "commits"> {
			const oldest = fresh.oldest();
			return {
				epoch: marks.epoch,
				waiting: fresh.waiting(),
				leased: leases.size,
				oldestWaitingMs: oldest ? Math.max(0, clock.now() - oldest.payment.acceptedAtUs / 1000) : 0,
				...tally.figures(),
				...outbox.figures(),
			};
		},
	};
}

/** As it is shown: with its open attempt, if any, at the end of its log. */
function view(payment: Payment): Payment {
	if (!payment.pin || payment.openAttempt === 0) return payment;
	const open = { token: payment.openAttempt, ...payment.pin, state: "open" as const };
	return { ...payment, attemptLog: [...payment.attemptLog, open] };
}
