// The relay's own words for the contract's enums: one table for each, read in both directions by whoever speaks either.
import { PaymentState, Processor } from "../gen/payrelay/v1/payment_pb.ts";
import { AttemptResult, EnqueueOutcome, PinOutcome, ReleaseOutcome } from "../gen/payrelay/v1/queue_service_pb.ts";
import { AttemptState, BreakerState, Decision, Proof, SettleOutcome } from "../gen/payrelay/v1/stats_service_pb.ts";

export interface Words<Word extends string, Code extends number> {
	readonly code: Readonly<Record<Word, Code>>;
	/** `undefined` for what the table has not: the code of another version, or one that is never sent. */
	word(code: number): Word | undefined;
	/** Throws for what the table has not: whoever sent it speaks another contract. */
	known(code: number): Word;
}

function words<const Table extends Record<string, number>>(
	what: string,
	code: Table,
): Words<keyof Table & string, Table[keyof Table]> {
	const byCode: (string | undefined)[] = [];
	for (const [word, number] of Object.entries(code)) byCode[number] = word;
	const word = (number: number) => byCode[number];
	return {
		code: code as Readonly<Record<keyof Table & string, Table[keyof Table]>>,
		word,
		known(number) {
			const found = word(number);
			if (found === undefined) throw new Error(`${what} ${number} is not known`);
			return found;
		},
	};
}

export const processorWords = words("processor", { default: Processor.DEFAULT, fallback: Processor.FALLBACK });

export const paymentStateWords = words("the payment's state", {
	accepted: PaymentState.ACCEPTED,
	in_flight: PaymentState.IN_FLIGHT,
	in_doubt: PaymentState.IN_DOUBT,
	parked: PaymentState.PARKED,
	settled: PaymentState.SETTLED,
	given_up: PaymentState.GIVEN_UP,
});

export const enqueueWords = words("the acceptance's outcome", {
	accepted: EnqueueOutcome.ACCEPTED,
	repeated: EnqueueOutcome.REPEATED,
	conflict: EnqueueOutcome.CONFLICT,
	full: EnqueueOutcome.FULL,
});

export const pinWords = words("the pin's outcome", {
	pinned: PinOutcome.PINNED,
	fenced: PinOutcome.FENCED,
	pinned_elsewhere: PinOutcome.PINNED_ELSEWHERE,
	no_slot: PinOutcome.NO_SLOT,
	purging: PinOutcome.PURGING,
});

export const releaseWords = words("the release's outcome", {
	released: ReleaseOutcome.RELEASED,
	fenced: ReleaseOutcome.FENCED,
});

export const settleWords = words("the settle's outcome", {
	settled: SettleOutcome.SETTLED,
	repeated: SettleOutcome.REPEATED,
	stale: SettleOutcome.STALE,
	refused: SettleOutcome.REFUSED,
});

export const attemptResultWords = words("the attempt's result", {
	unasked: AttemptResult.UNASKED,
	none: AttemptResult.NONE,
	not_charged: AttemptResult.NOT_CHARGED,
	unknown: AttemptResult.UNKNOWN,
});

export const attemptStateWords = words("the attempt's state", {
	open: AttemptState.OPEN,
	not_charged: AttemptState.NOT_CHARGED,
	unknown: AttemptState.UNKNOWN,
	charged: AttemptState.CHARGED,
});

export const decisionWords = words("decision", {
	settle: Decision.SETTLE,
	retry: Decision.RETRY,
	give_up: Decision.GIVE_UP,
});

export const proofWords = words("proof", { charged: Proof.CHARGED, read_back: Proof.READ_BACK });

export const breakerWords = words("the breaker's state", {
	closed: BreakerState.CLOSED,
	open: BreakerState.OPEN,
	probing: BreakerState.PROBING,
});
