// The rows port: what the engine needs of a medium that keeps rows in transactions. Synchronous; one owner.
//
// Every change happens between `begin` and `commit`, but for the mark `leasedUpTo`. What `commit` wrote is safe once a `sync`
// that began after it has resolved. A medium that fails throws; nothing is tried again on it.
import type { PaymentEvent } from "../../payment/event.ts";
import type { Charge, Payment } from "../../payment/life.ts";
import type { Processor } from "../../payment/payment.ts";
import type { Health, Summary, Window } from "./store.ts";

/** A payment with its place in the order of acceptance: 1, 2, 3 …, never used twice within an epoch. */
export interface Row {
	readonly seq: number;
	readonly payment: Payment;
}

/** When a payment in doubt or parked is due, on the wall clock. */
export interface Due {
	readonly id: string;
	readonly dueAtMs: number;
}

/** Counters and marks that are written with every commit. */
export interface Marks {
	epoch: number;
	/** How often this store was opened: the high part of every token, so that none repeats. */
	boot: number;
	/** Commits so far; a copy is kept apart from the rows, so that a loss of the newest ones is noticed at the start. */
	commit: number;
	/** No row up to this one is `accepted` or `in_flight`. */
	doneUpTo: number;
	/**
	 * No row after this one was ever leased. A lease moves it at any time and costs no commit: the next one writes it, which
	 * is in time for the pin, and a row that was leased and not pinned may be leased anew after a start.
	 */
	leasedUpTo: number;
	/** Rows `accepted` (leased or not) and `in_flight`. */
	open: number;
	inDoubt: number;
	parked: number;
	accepted: number;
	settled: number;
	flagged: number;
	attempts: number;
	retries: number;
	/** The number of the newest event. It goes on over epochs, so that no number ever comes twice. */
	eventSeq: number;
	/** The outbox holds every event after this one. */
	eventsForgotten: number;
}

/** The marks at the start of an epoch, but for those that count over epochs. */
export function epochMarks(epoch: number): Omit<Marks, "boot" | "commit" | "eventSeq" | "eventsForgotten"> {
	return {
		epoch,
		doneUpTo: 0,
		leasedUpTo: 0,
		open: 0,
		inDoubt: 0,
		parked: 0,
		accepted: 0,
		settled: 0,
		flagged: 0,
		attempts: 0,
		retries: 0,
	};
}

export interface Rows {
	/** Made at random together with the medium: tells its events from those of any other. 32 hexadecimal digits. */
	readonly storeId: string;
	/** As of the last commit, but for `leasedUpTo`; change the others between `begin` and `commit`. */
	readonly marks: Marks;
	begin(): void;
	/** Writes the marks and commits. */
	commit(): void;
	/** Resolves when all that was committed before the call is on disk. */
	sync(): Promise<void>;
	insert(payment: Payment): Row;
	/** Writes every field of the payment that can change: all but id, amount and time of acceptance. */
	update(row: Row): void;
	get(id: string): Row | undefined;
	/** Rows `accepted` or `in_flight` with `after < seq <= upTo`, by seq. */
	open(after: number, upTo: number, max: number): Row[];
	/** Those in doubt or parked at the processor with `dueAtMs <= nowMs`, the longest due first. */
	due(processor: Processor, nowMs: number, max: number): Due[];
	/** Those in doubt or parked at the processor, the one due last first. */
	dueLast(processor: Processor, max: number): Due[];
	/** Rows in doubt at the processor, none that is parked, the one due last first. */
	inDoubt(processor: Processor, max: number): Row[];
	/** Adds a charge to the ledger's totals. */
	book(charge: Charge): void;
	summary(window: Window): Summary;
	/** Rows parked with `seq > after`, by seq. */
	parked(after: number, max: number): Row[];
	/** Where a payment may have been charged that a purge forgot in doubt; `undefined` for one that none forgot so. */
	forgotten(id: string): Processor | undefined;
	/** Takes an id off the list of those: its payment was posted again, and its row tells from now on. */
	dropForgotten(id: string): void;
	/** Puts an event into the outbox. */
	announce(event: PaymentEvent): void;
	/** Events with `after < seq <= upTo`, by seq. */
	outbox(after: number, upTo: number, max: number): PaymentEvent[];
	/** Deletes events up to this one from the outbox. */
	forgetEvents(upTo: number): void;
	/** Deletes every payment and the ledger; ids in flight, in doubt, parked or given up, and the outbox, are kept. */
	forgetAll(): { readonly forgotten: number; readonly keptInDoubt: number };
	/** When each processor's health was last polled, wall clock ms; 0: never. */
	pollAtMs(processor: Processor): number;
	savePollAtMs(processor: Processor, atMs: number): void;
	health(): Health[];
	saveHealth(health: Health): void;
	/** To be thrown where what one of these gave is not there for another, such as `payment 7`. */
	contradiction(what: string): Error;
	/** What an error that one of these threw means where it says too little: a Refusal, where no start is of use any more. */
	judge(error: unknown): unknown;
	close(): void;
}
