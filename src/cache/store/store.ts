// The store port: what the cache needs of whatever keeps payments. Asynchronous, in batches, and free of any engine.
//
// Whatever a promise reports when it resolves is on disk (where the store has one). Outcomes come in the order of what
// was asked. A store that can no longer keep its promises rejects with StoreFailed, from then on for good.
import type { PaymentEvent } from "../../payment/event.ts";
import type { AttemptResult, Charge, DoubtPolicy, Payment, Pin, Resolution } from "../../payment/life.ts";
import type { PinOutcome, ReleaseOutcome, SettleOutcome } from "../../payment/outcome.ts";
import type { Processor } from "../../payment/payment.ts";

export interface NewPayment {
	readonly id: string;
	readonly amountCents: bigint;
}

export type EnqueueOutcome = "accepted" | "repeated" | "conflict" | "full";

/** A payment under a lease. `pin` is set for a payment in doubt: only that processor may be asked. */
export interface Job {
	readonly id: string;
	readonly amountCents: bigint;
	readonly token: number;
	readonly epoch: number;
	readonly pin?: Pin;
	readonly attempts: number;
	/** Since it was accepted, when the lease was given, ms. */
	readonly waitedMs: number;
}

/** `fresh`: payments without a pin, oldest first. A processor: payments in doubt or parked there that are due. */
export type Lane = "fresh" | Processor;

export interface LeaseKey {
	readonly id: string;
	readonly token: number;
}

export interface PinRequest extends LeaseKey {
	readonly epoch: number;
	readonly processor: Processor;
}

export interface Release extends LeaseKey {
	readonly epoch: number;
	readonly result: AttemptResult;
}

export interface Settlement {
	readonly id: string;
	readonly epoch: number;
	readonly charge: Charge;
}

/** Inclusive bounds, µs; an absent bound is open. */
export interface Window {
	readonly fromUs?: number;
	readonly toUs?: number;
}

export interface Totals {
	readonly count: bigint;
	readonly amountCents: bigint;
}

export interface Summary {
	readonly totals: Readonly<Record<Processor, Totals>>;
	/** Rows read for this answer: bounded by the logarithm of the ledger's span, whatever its size. */
	readonly rowsVisited: number;
}

export interface Health {
	readonly processor: Processor;
	readonly reachable: boolean;
	readonly failing: boolean;
	readonly minResponseMs: number;
	readonly atUs: number;
}

/** A payment for those who ask, with the attempt that is open, if any, at the end of its log. */
export type PaymentView = Payment;

/** Totals count from the start of the epoch, and survive restarts, unless said otherwise. */
export interface Figures {
	readonly epoch: number;
	readonly waiting: number;
	readonly leased: number;
	readonly inDoubt: number;
	readonly parked: number;
	readonly oldestWaitingMs: number;
	readonly accepted: number;
	readonly settled: number;
	readonly flagged: number;
	/** Since the start of the process. */
	readonly settlesRefused: number;
	readonly attempts: number;
	readonly retries: number;
	/** Since the start of the process. */
	readonly commits: number;
	readonly inFlight: Readonly<Record<Processor, number>>;
	/** Events that are not known to be published, and the age of the oldest of them; purges do not change either. */
	readonly outboxDepth: number;
	readonly outboxOldestMs: number;
}

export type ResolveOutcome =
	| { readonly outcome: "resolved"; readonly payment: PaymentView }
	| { readonly outcome: "not_found" | "not_parked" | "refused" };

export interface PurgeResult {
	readonly epoch: number;
	readonly forgotten: number;
	readonly keptInDoubt: number;
}

export interface Store {
	/** Accepts payments; `repeated` where the same id and amount were accepted before. */
	enqueue(payments: readonly NewPayment[]): Promise<EnqueueOutcome[]>;
	/**
	 * Leases up to `max` jobs to a session, of fresh ones up to `retriesMax` (default: all) that had an attempt before.
	 * The lease itself need not be on disk.
	 */
	lease(session: string, lane: Lane, max: number, retriesMax?: number): Promise<Job[]>;
	/** Prolongs leases; resolves to the tokens that the session no longer holds. */
	renew(session: string, tokens: readonly number[]): Promise<number[]>;
	/** After a cut or a restart: takes up again what a session held; resolves to the tokens that are lost. */
	reclaim(session: string, held: readonly LeaseKey[]): Promise<number[]>;
	pin(requests: readonly PinRequest[]): Promise<PinOutcome[]>;
	release(releases: readonly Release[]): Promise<ReleaseOutcome[]>;
	settle(settlements: readonly Settlement[]): Promise<SettleOutcome[]>;
	/** Ends the leases that have run out; open attempts under them become unknown. Resolves to how many. */
	expire(): Promise<number>;
	summary(window: Window): Promise<Summary>;
	payment(id: string): Promise<PaymentView | undefined>;
	/** Parked payments, oldest first, after the given cursor (0: from the start); `next` is 0 on the last page. */
	parked(after: number, max: number): Promise<{ readonly payments: PaymentView[]; readonly next: number }>;
	resolve(id: string, resolution: Resolution, charge: Charge | undefined): Promise<ResolveOutcome>;
	/**
	 * Waits up to `waitMs` for open attempts to end, giving out and pinning nothing, then forgets all under a new epoch.
	 * Events still in the outbox stay: what happened is told, though whoever queries such a payment back finds nothing.
	 * Where `ending` is given and is not the epoch any more, nothing is forgotten.
	 */
	purge(waitMs: number, ending?: number): Promise<PurgeResult>;
	/** Grants one poll of a processor's health per poll gap, over restarts too; else resolves to the ms until the next. */
	claimPoll(processor: Processor): Promise<{ readonly granted: boolean; readonly nextMs: number }>;
	saveHealth(health: Health): Promise<void>;
	health(): Promise<Health[]>;
	figures(): Promise<Figures>;
	/** Calls `wake` whenever there may be something new to lease; returns how to stop that. */
	subscribe(wake: () => void): () => void;
	/** Names this store in its events: no other store has the same. */
	readonly storeId: string;
	/** How often the medium was opened, this time included. */
	readonly boot: number;
	/**
	 * Events of the outbox after this number, oldest first: only those that are on disk with what they tell. They are
	 * written where `events` is on; when it is switched off, those that are in the outbox stay, and what happens
	 * meanwhile is never told.
	 */
	readOutbox(afterSeq: number, max: number): Promise<PaymentEvent[]>;
	/** Takes the events up to this number out of the outbox: they are published. Waits for company as a settle does. */
	forgetOutbox(upToSeq: number): Promise<void>;
	/** Calls `grew` whenever events came into the outbox that can be read; returns how to stop that. */
	watchOutbox(grew: () => void): () => void;
	/** Fresh payments that are leased to nobody. */
	waiting(): number;
	/** ms until the next payment in doubt or parked at the processor is due; undefined when none waits. */
	nextDueMs(processor: Processor): number | undefined;
	/** Ends every lease that `session` holds at the call, as if it had run out: its consumer is gone for good. */
	endSession(session: string): Promise<void>;
	/** Commits what was asked before, then closes. */
	close(): Promise<void>;
}

/** The store cannot keep its promises any more; whoever gets this was promised nothing. The process should end. */
export class StoreFailed extends Error {
	override readonly name = "StoreFailed";
}

/** The store's settings. Times in ms. */
export interface StoreSettings {
	readonly leaseMs: number;
	/** After a restart, how long the leases of pinned payments wait for their consumer to take them up again. */
	readonly reclaimMs: number;
	/** Payments that may wait; beyond, enqueue says `full`. */
	readonly queueMax: number;
	/** Attempts that may be open towards one processor, over all consumers. */
	readonly inFlightMax: number;
	/** The least time between two polls of one processor's health. */
	readonly pollGapMs: number;
	readonly doubt: DoubtPolicy;
	/** Whether what happens to payments is written to the outbox, in the transaction that makes it true. Default: no. */
	readonly events?: boolean;
}
