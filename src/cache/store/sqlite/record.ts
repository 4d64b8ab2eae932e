// A payment as columns, and back. What few payments have is kept as JSON in one column, NULL on the common path.
import type { Attempt, Charge, Payment, PaymentState, Pin, Resolution } from "../../../payment/life.ts";
import { paymentIdFromBytes, processors } from "../../../payment/payment.ts";
import type { Row } from "../rows.ts";
import { sumOf, sumOfText } from "./sum.ts";

/** A state's code is its place here: never change the order. */
const states: readonly PaymentState[] = ["accepted", "in_flight", "in_doubt", "parked", "settled", "given_up"];
export const stateCode = (state: PaymentState): number => states.indexOf(state);

export interface Columns {
	readonly seq: number;
	readonly id: Uint8Array;
	readonly amount_cents: number;
	readonly accepted_at_us: number;
	readonly state: number;
	/** Of the pin, or of the charge once settled; so is `requested_at_us`. */
	readonly processor: number | null;
	readonly requested_at_us: number | null;
	/** Token of the open attempt, or of the one that charged where that was the only one. */
	readonly attempt: number;
	readonly attempts: number;
	readonly settled_at_us: number | null;
	readonly due_at_ms: number | null;
	readonly more: string | null;
	readonly sum: number;
}

/** All of them, as a query names them. */
export const fields = `seq, id, amount_cents, accepted_at_us, state, processor, requested_at_us, attempt, attempts,
	settled_at_us, due_at_ms, more, sum`;

/** Which row the index has under this row's id: the row's own `seq`, unless one of the two is damaged. */
export const named = "(SELECT named.seq FROM payment AS named WHERE named.id = payment.id) AS named";

/** What the check sum is taken over, in this order, and to which that of `more` is added. The id is in its index, too. */
export const checkedColumns = [
	"amount_cents",
	"accepted_at_us",
	"state",
	"processor",
	"requested_at_us",
	"attempt",
	"attempts",
	"settled_at_us",
	"due_at_ms",
] as const satisfies readonly (keyof Columns)[];

/** Whether the columns are what was written. Spelled out, because it is asked of every row that is read. */
export function isIntact(row: Columns): boolean {
	const { amount_cents, accepted_at_us, state, processor, requested_at_us, attempt, attempts } = row;
	const numbers = [amount_cents, accepted_at_us, state, processor, requested_at_us, attempt, attempts];
	return row.sum === sumOf([...numbers, row.settled_at_us, row.due_at_ms]) + sumOfText(row.more);
}

interface More {
	readonly attemptLog?: readonly Attempt[];
	readonly rounds?: number;
	readonly doubtSinceMs?: number;
	/** Of the charge, where it differs from what was accepted. */
	readonly chargedCents?: string;
	readonly flagged?: boolean;
	readonly resolution?: Resolution;
}

/** The columns that change, in the order of the statement that writes them, without the last, `seq`. */
export function toColumns(payment: Payment): (number | string | null)[] {
	const { state, charge, openAttempt, attempts, settledAtUs, dueAtMs } = payment;
	const bound: Pin | undefined = charge ?? payment.pin;
	const numbers = [
		stateCode(state),
		bound ? processors.indexOf(bound.processor) : null,
		bound?.requestedAtUs ?? null,
		onlyCharge(payment)?.token ?? openAttempt,
		attempts,
		settledAtUs ?? null,
		dueAtMs ?? null,
	];
	const more = moreOf(payment);
	const sum = sumOf([Number(payment.amountCents), payment.acceptedAtUs, ...numbers]) + sumOfText(more);
	return [...numbers, more, sum];
}

/** The attempt of a payment that was charged at the first: all that is to know of it is in the charge. */
function onlyCharge({ charge, attemptLog }: Payment): Attempt | undefined {
	const [first] = attemptLog;
	if (!charge || first?.state !== "charged") return undefined;
	const same = first.processor === charge.processor && first.requestedAtUs === charge.requestedAtUs;
	return same ? first : undefined;
}

function moreOf(payment: Payment): string | null {
	const { attemptLog, rounds, doubtSinceMs, charge, flagged, resolution, amountCents } = payment;
	const logged = attemptLog.length > 0 && !onlyCharge(payment);
	const differs = charge !== undefined && charge.amountCents !== amountCents;
	if (!logged && rounds === 0 && doubtSinceMs === undefined && !differs && !flagged && !resolution) return null;
	const more: More = {
		...(logged && { attemptLog }),
		...(rounds > 0 && { rounds }),
		...(doubtSinceMs !== undefined && { doubtSinceMs }),
		...(differs && { chargedCents: charge.amountCents.toString() }),
		...(flagged && { flagged }),
		...(resolution && { resolution }),
	};
	return JSON.stringify(more);
}

/** Of columns that are what was written. */
export function toRow(columns: Columns): Row {
	const state = states[columns.state] as PaymentState;
	const more: More = columns.more === null ? {} : JSON.parse(columns.more);
	const amountCents = BigInt(columns.amount_cents);
	const processor = columns.processor === null ? undefined : processors[columns.processor];
	const pin = processor && { processor, requestedAtUs: columns.requested_at_us as number };
	const settled = state === "settled";
	const chargedCents = more.chargedCents === undefined ? amountCents : BigInt(more.chargedCents);
	const charge: Charge | undefined = settled && pin ? { ...pin, amountCents: chargedCents } : undefined;
	const only = charge && columns.attempt !== 0 && pin;
	const attemptLog = only ? [{ token: columns.attempt, ...pin, state: "charged" as const }] : (more.attemptLog ?? []);
	const payment: Payment = {
		id: paymentIdFromBytes(columns.id),
		amountCents,
		acceptedAtUs: columns.accepted_at_us,
		state,
		...(pin && !settled && { pin }),
		openAttempt: settled ? 0 : columns.attempt,
		attempts: columns.attempts,
		attemptLog,
		rounds: more.rounds ?? 0,
		...(more.doubtSinceMs !== undefined && { doubtSinceMs: more.doubtSinceMs }),
		...(columns.due_at_ms !== null && { dueAtMs: columns.due_at_ms }),
		...(charge && { charge }),
		...(columns.settled_at_us !== null && { settledAtUs: columns.settled_at_us }),
		flagged: more.flagged ?? false,
		...(more.resolution && { resolution: more.resolution }),
	};
	return { seq: columns.seq, payment };
}
