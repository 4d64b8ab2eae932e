// A payment as GET /payments/{id} shows it.
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { PaymentState, Processor } from "../gen/payrelay/v1/payment_pb.ts";
import { AttemptState, Decision, type Payment } from "../gen/payrelay/v1/stats_service_pb.ts";
import { formatInstant } from "../payment/instant.ts";
import { jsonAmount } from "../payment/json.ts";

const stateNames: Readonly<Record<number, string>> = {
	[PaymentState.ACCEPTED]: "accepted",
	[PaymentState.IN_FLIGHT]: "in_flight",
	[PaymentState.IN_DOUBT]: "in_doubt",
	[PaymentState.PARKED]: "parked",
	[PaymentState.SETTLED]: "settled",
	[PaymentState.GIVEN_UP]: "given_up",
};

const attemptStateNames: Readonly<Record<number, string>> = {
	[AttemptState.OPEN]: "open",
	[AttemptState.NOT_CHARGED]: "not_charged",
	[AttemptState.UNKNOWN]: "unknown",
	[AttemptState.CHARGED]: "charged",
};

export const decisionNames: Readonly<Record<number, string>> = {
	[Decision.SETTLE]: "settle",
	[Decision.RETRY]: "retry",
	[Decision.GIVE_UP]: "give_up",
};

export const processorNames: Readonly<Record<number, string>> = {
	[Processor.DEFAULT]: "default",
	[Processor.FALLBACK]: "fallback",
};

/**
 * For `JSON.stringify`. `processor` and `requestedAt` are the charge's once there is one, else the pin's: the only
 * processor that may be asked. `chargedAmount` is what the processor recorded, which `flagged` says to look at where it
 * differs from `amount`.
 */
export function viewPayment(payment: Payment): Record<string, unknown> {
	const { pin, charge, resolution } = payment;
	const bound = charge ?? pin;
	return {
		correlationId: payment.id,
		amount: jsonAmount(payment.amountCents),
		state: stateNames[payment.state],
		acceptedAt: moment(payment.acceptedAt),
		processor: bound && processorNames[bound.processor],
		requestedAt: bound && formatInstant(Number(bound.requestedAtUs)),
		chargedAmount: charge && jsonAmount(charge.amountCents),
		settledAt: moment(payment.settledAt),
		flagged: payment.flagged,
		attempts: payment.attempts,
		attemptLog: payment.attemptLog.map((attempt) => ({
			token: String(attempt.token),
			processor: processorNames[attempt.processor],
			requestedAt: moment(attempt.requestedAt),
			state: attemptStateNames[attempt.state],
		})),
		resolution: resolution && {
			decision: decisionNames[resolution.decision],
			who: resolution.who,
			why: resolution.why,
			at: moment(resolution.at),
		},
	};
}

function moment(timestamp: Timestamp | undefined): string | undefined {
	return timestamp && formatInstant(Number(timestamp.seconds) * 1_000_000 + Math.floor(timestamp.nanos / 1000));
}
