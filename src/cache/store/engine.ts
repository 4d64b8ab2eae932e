// The engine: the queue's and the ledger's promises, carried out on rows within one transaction at a time.
//
// Synchronous and alone with its rows: whoever calls it opens the transaction before, and commits it after. The rules
// of who may be charged where are those of payment/life.ts; here they meet leases, slots, counters and epochs.
import { ChurnSet } from "../../churn.ts";
import type { Clock } from "../../clock.ts";
import { eventOf, type PaymentEvent } from "../../payment/event.ts";
import type { Payment, Resolution } from "../../payment/life.ts";
import * as life from "../../payment/life.ts";
import { type Processor, processors } from "../../payment/payment.ts";
import { createLeases, type Lease } from "./leases.ts";
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
	PinOutcome,
	PinRequest,
	PurgeResult,
	Release,
	ReleaseOutcome,
	ResolveOutcome,
	Settlement,
	SettleOutcome,
	StoreSettings,
} from "./store.ts";

/** The transitions of a payment's life; a port, so that a simulation can break one and see that it is noticed. */
export type LifeRules = Pick<typeof life, "pin" | "release" | "settle" | "resolve">;

export type Engine = ReturnType<typeof createEngine>;

/** A poll whose answer is not reported by then has been given up by its consumer, ms. */
const pollAnswerMaxMs = 6_000;
/** How many rows one look for work reads at most. */
const scanMax = 256;
/** When a processor charges again, so many payments in doubt at it are brought forward at most, over so many ms. */
const hastenMax = 1_024;
const hastenSpreadMs = 1_000;
/**
 * While so many payments wait for another attempt no first ones are given out: they would only add to them. It bounds
 * their memory, and the time that they take once processors charge again.
 */
const returnedMax = 8_192;

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
	/** Rows that were leased and came back unpinned: they go out again first. At most `returnedMax`, and what was leased. */
	let returned: Row[] = [];
	/** Tokens of the attempts that are open, and how many of them there are by processor. */
	const openAttempts = new ChurnSet<number>();
	const inFlight: Record<Processor, number> = { default: 0, fallback: 0 };
	/** When the next poll of each processor may be granted, on the monotonic clock. */
	const nextPollMs: Record<Processor, number> = { default: 0, fallback: 0 };
	let purging = false;
	let settlesRefused = 0;

	const moment = () => ({ nowMs: clock.now(), random: random() });
	const nowUs = () => Math.floor(clock.now() * 1000);
	const leaseEnd = () => clock.monotonic() + settings.leaseMs;

	/** Counts a payment in or out of the figures for its state. */
	function count(payment: Payment, by: 1 | -1): void {
		switch (payment.state) {
			case "accepted":
			case "in_flight":
				marks.open += by;
				break;
			case "in_doubt":
				marks.inDoubt += by;
				break;
			case "parked":
				marks.parked += by;
				break;
			case "settled":
				marks.settled += by;
				if (payment.flagged) marks.flagged += by;
		}
	}

	/** An attempt that a restart left open in doubt was not counted in, so it is not counted out either. */
	function countAttempt({ openAttempt, pin }: Payment, by: 1 | -1): void {
		if (openAttempt === 0 || !pin) return;
		if (by === 1) openAttempts.add(openAttempt);
		else if (!openAttempts.delete(openAttempt)) return;
		inFlight[pin.processor] += by;
	}

	/** Tells of a step in a payment's life, in the transaction that takes it. */
	function announce(before: Payment | undefined, after: Payment): void {
		const type = eventOf(before, after);
		if (!type) return;
		const timeUs = type === "payment.accepted" ? after.acceptedAtUs : nowUs();
		rows.announce({ seq: ++marks.eventSeq, type, paymentId: after.id, timeUs });
	}

	function change(row: Row, payment: Payment): Row {
		if (payment === row.payment) return row;
		if (payment.dueAtMs !== row.payment.dueAtMs) pursuits.changed();
		count(row.payment, -1);
		count(payment, 1);
		if (payment.openAttempt !== row.payment.openAttempt) {
			countAttempt(row.payment, -1);
			countAttempt(payment, 1);
		}
		const next = { seq: row.seq, payment };
		rows.update(next);
		if (payment.state === "settled" && payment.charge) rows.book(payment.charge);
		if (settings.events) announce(row.payment, payment);
		return next;
	}

	/** A lease is over: what it held goes where its state says. */
	function give(lease: Lease, row: Row, result: life.AttemptResult): void {
		leases.end(lease);
		const next = change(row, rules.release(row.payment, lease.token, result, moment(), settings.doubt));
		if (next.payment.state === "accepted") returned.push(next);
	}

	/** The lease that a request may act under; not one of an earlier epoch, as a purge ends all leases. */
	function held(key: LeaseKey & { readonly epoch: number }): Lease | undefined {
		const lease = leases.ofToken(key.token);
		return lease?.id === key.id && key.epoch === marks.epoch ? lease : undefined;
	}

	function rowOf(lease: Lease): Row {
		const row = rows.get(lease.id);
		if (!row) throw new Error(`payment ${lease.id} is leased, but not in the store`);
		return row;
	}

	/** Open attempts whose lease ended with the last process: for a while, their consumer may take them up again. */
	function recover(): void {
		const expiresAtMs = clock.monotonic() + settings.reclaimMs;
		for (let after = marks.doneUpTo; ; ) {
			const found = rows.open(after, marks.leasedUpTo, scanMax);
			for (const row of found) {
				const { openAttempt, id, state } = row.payment;
				if (state === "in_flight") {
					countAttempt(row.payment, 1);
					leases.restore({ token: openAttempt, id, seq: row.seq, lane: "fresh", session: "", expiresAtMs });
				} else returned.push(row);
			}
			if (found.length < scanMax) break;
			after = found[found.length - 1]!.seq;
		}
		for (const processor of processors) {
			const waitMs = rows.pollAtMs(processor) + settings.pollGapMs - clock.now();
			nextPollMs[processor] = clock.monotonic() + Math.min(Math.max(waitMs, 0), settings.pollGapMs);
		}
	}
	recover();

	/** Marks how far the queue is worked off, so that a restart need not look at what lies before. */
	function advance(): void {
		let lowest = Math.min(leases.lowestSeq(), marks.leasedUpTo + 1);
		for (const row of returned) lowest = Math.min(lowest, row.seq);
		marks.doneUpTo = Math.max(marks.doneUpTo, lowest - 1);
	}

	/** Payments that are accepted and not leased: those in flight have a lease, be it one that waits for its consumer. */
	const waiting = () => marks.open - leases.freshSize();

	function nextFresh(atMost: number, retriesMax: number): Row[] {
		const max = Math.min(atMost, waiting());
		if (max <= 0) return [];
		const found = nextReturned(max, retriesMax);
		if (found.length < max && returned.length < returnedMax) {
			found.push(...rows.open(marks.leasedUpTo, Number.MAX_SAFE_INTEGER, max - found.length));
			marks.leasedUpTo = Math.max(marks.leasedUpTo, found[found.length - 1]?.seq ?? 0);
		}
		return found;
	}

	function nextReturned(max: number, retriesMax: number): Row[] {
		const found: Row[] = [];
		const left: Row[] = [];
		let retries = 0;
		for (const row of returned.sort((a, b) => a.seq - b.seq)) {
			const isRetry = row.payment.attempts > 0;
			if (found.length === max || (isRetry && retries >= retriesMax)) left.push(row);
			else {
				found.push(row);
				if (isRetry) retries++;
			}
		}
		returned = left;
		return found;
	}

	/**
	 * Payments in doubt at a processor that charges again are asked for soon, not all at once. Where they are more than
	 * `hastenMax`, those whose pauses have grown the most; the rest come when they are due.
	 */
	function hasten(processor: Processor): void {
		for (const row of rows.inDoubt(processor, hastenMax))
			if (!leases.ofId(row.payment.id)) change(row, life.hasten(row.payment, clock.now() + random() * hastenSpreadMs));
	}

	return {
		marks,
		advance,

		enqueue({ id, amountCents }: NewPayment): EnqueueOutcome {
			const before = rows.get(id);
			if (before) return before.payment.amountCents === amountCents ? "repeated" : "conflict";
			if (marks.open >= settings.queueMax) return "full";
			const processor = rows.forgotten(id);
			if (processor) rows.remember(id);
			const payment = processor
				? life.acceptInDoubt(id, amountCents, processor, clock.now())
				: life.accept(id, amountCents, nowUs());
			rows.insert(payment);
			if (processor) pursuits.changed();
			count(payment, 1);
			marks.accepted++;
			if (settings.events) announce(undefined, payment);
			return "accepted";
		},

		lease(session: string, lane: Lane, max: number, retriesMax = max): Job[] {
			if (purging || max <= 0) return [];
			const found = lane === "fresh" ? nextFresh(max, retriesMax) : pursuits.next(lane, max);
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
			return tokens.filter((token) => {
				const lease = leases.ofToken(token);
				// One that waits for its consumer since a restart is kept for it: the token says who that is.
				if (lease?.session !== session && lease?.session !== "") return true;
				lease.expiresAtMs = expiresAtMs;
				return false;
			});
		},

		/**
		 * A lease that is still there is prolonged, or taken up if it waits for its consumer since a restart. One that
		 * a restart ended before anything was pinned under it is given again, while nobody else has the payment.
		 */
		reclaim(session: string, keys: readonly LeaseKey[]): number[] {
			const expiresAtMs = leaseEnd();
			const lost: number[] = [];
			for (const { id, token } of keys) {
				const lease = leases.ofToken(token);
				if (lease?.id === id && (lease.session === session || lease.session === "")) {
					lease.session = session;
					lease.expiresAtMs = expiresAtMs;
					continue;
				}
				const at = returned.findIndex((row) => row.payment.id === id);
				const row = returned[at];
				if (!row || token >= leases.firstToken || row.payment.attemptLog.some((ended) => ended.token === token)) {
					lost.push(token);
					continue;
				}
				returned.splice(at, 1);
				leases.restore({ token, id, seq: row.seq, lane: "fresh", session, expiresAtMs });
			}
			return lost;
		},

		pin(request: PinRequest): PinOutcome {
			const lease = held(request);
			if (!lease) return { outcome: "fenced" };
			const row = rowOf(lease);
			const { openAttempt } = row.payment;
			if (openAttempt !== request.token) {
				if (purging) return { outcome: "purging" };
				if (inFlight[request.processor] >= settings.inFlightMax) return { outcome: "no_slot" };
			}
			const pinned = rules.pin(row.payment, request.processor, request.token, clock.now());
			if (!pinned?.pin) return { outcome: row.payment.pin ? "pinned_elsewhere" : "fenced" };
			if (pinned !== row.payment) {
				marks.attempts++;
				if (row.payment.attempts > 0) marks.retries++;
				change(row, pinned);
			}
			return { outcome: "pinned", requestedAtUs: pinned.pin.requestedAtUs };
		},

		release(request: Release): ReleaseOutcome {
			const lease = held(request);
			if (!lease) return "fenced";
			give(lease, rowOf(lease), request.result);
			return "released";
		},

		settle({ id, epoch, charge }: Settlement): SettleOutcome {
			const row = epoch === marks.epoch ? rows.get(id) : undefined;
			if (!row) return "stale";
			const settled = rules.settle(row.payment, charge, nowUs());
			if ("unchanged" in settled) {
				if (settled.unchanged === "refused") settlesRefused++;
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
			for (const lease of expired) give(lease, rowOf(lease), "unknown");
			return expired.length;
		},

		endSession(session: string): void {
			for (const lease of leases.ofSession(session)) give(lease, rowOf(lease), "unknown");
		},

		/** The payment with its open attempt, if any, at the end of its log. */
		payment(id: string): Payment | undefined {
			return view(rows.get(id)?.payment);
		},

		parked(after: number, max: number): { payments: Payment[]; next: number } {
			const found = rows.parked(after, max);
			const payments = found.map((row) => view(row.payment) as Payment);
			return { payments, next: found.length < max ? 0 : found[found.length - 1]!.seq };
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
			return { outcome: "resolved", payment: view(resolved) as Payment };
		},

		/** Every event has a number and every number an event: one that is missing was lost. */
		outbox(afterSeq: number, upToSeq: number, max: number): PaymentEvent[] {
			const after = Math.max(afterSeq, marks.eventsForgotten);
			const found = after < upToSeq ? rows.outbox(after, upToSeq, max) : [];
			const wanted = Math.min(max, Math.max(0, upToSeq - after));
			if (found.length !== wanted || found.some(({ seq }, i) => seq !== after + 1 + i))
				throw new Error(`the outbox has lost events between ${after + 1} and ${upToSeq}`);
			return found;
		},

		forgetOutbox(upToSeq: number): void {
			const upTo = Math.min(upToSeq, marks.eventSeq);
			if (upTo <= marks.eventsForgotten) return;
			rows.forgetEvents(upTo);
			marks.eventsForgotten = upTo;
		},

		/** Gives out and pins nothing until `purge`; false when a purge is under way already. */
		beginPurge(): boolean {
			if (purging) return false;
			purging = true;
			return true;
		},

		openAttempts: () => openAttempts.size,

		purge(): PurgeResult {
			const { forgotten, keptInDoubt } = rows.forgetAll();
			leases.clear();
			pursuits.changed();
			returned = [];
			openAttempts.clear();
			for (const processor of processors) inFlight[processor] = 0;
			Object.assign(marks, epochMarks(marks.epoch + 1));
			purging = false;
			return { epoch: marks.epoch, forgotten, keptInDoubt };
		},

		waiting,

		nextDueMs: pursuits.nextDueMs,

		claimPoll(processor: Processor): { granted: boolean; nextMs: number } {
			const waitMs = nextPollMs[processor] - clock.monotonic();
			if (waitMs > 0) return { granted: false, nextMs: Math.ceil(waitMs) };
			nextPollMs[processor] = clock.monotonic() + settings.pollGapMs + pollAnswerMaxMs;
			rows.savePollAtMs(processor, clock.now());
			return { granted: true, nextMs: settings.pollGapMs };
		},

		/** The gap to the next poll counts from the answer: who knows when the processor counted the question. */
		saveHealth(health: Health): void {
			nextPollMs[health.processor] = clock.monotonic() + settings.pollGapMs;
			rows.savePollAtMs(health.processor, clock.now());
			const before = rows.health().find(({ processor }) => processor === health.processor);
			rows.saveHealth(health);
			if (before && !isGood(before) && isGood(health)) hasten(health.processor);
		},

		figures(): Omit<Figures, "commits"> {
			returned.sort((a, b) => a.seq - b.seq);
			const oldest = returned[0] ?? rows.open(marks.leasedUpTo, Number.MAX_SAFE_INTEGER, 1)[0];
			const outboxDepth = marks.eventSeq - marks.eventsForgotten;
			const [oldestEvent] = outboxDepth > 0 ? rows.outbox(marks.eventsForgotten, marks.eventSeq, 1) : [];
			return {
				epoch: marks.epoch,
				waiting: waiting(),
				leased: leases.size,
				inDoubt: marks.inDoubt,
				parked: marks.parked,
				oldestWaitingMs: oldest ? Math.max(0, clock.now() - oldest.payment.acceptedAtUs / 1000) : 0,
				accepted: marks.accepted,
				settled: marks.settled,
				flagged: marks.flagged,
				settlesRefused,
				attempts: marks.attempts,
				retries: marks.retries,
				inFlight: { ...inFlight },
				outboxDepth,
				outboxOldestMs: oldestEvent ? Math.max(0, clock.now() - oldestEvent.timeUs / 1000) : 0,
			};
		},
	};
}

function isGood({ reachable, failing }: Health): boolean {
	return reachable && !failing;
}

function view(payment: Payment | undefined): Payment | undefined {
	if (!payment?.pin || payment.openAttempt === 0) return payment;
	const open = { token: payment.openAttempt, ...payment.pin, state: "open" as const };
	return { ...payment, attemptLog: [...payment.attemptLog, open] };
}
