// A payment as GET /payments/{id} shows it.
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Payment } from "../gen/payrelay/v1/stats_service_pb.ts";
import { formatInstant } from "../payment/instant.ts";
import { jsonAmount } from "../payment/json.ts";
import { attemptStateWords, decisionWords, paymentStateWords, processorWords } from "../rpc/words.ts";

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
		state: paymentStateWords.word(payment.state),
		acceptedAt: moment(payment.acceptedAt),
		processor: bound && processorWords.word(bound.processor),
		requestedAt: bound && formatInstant(Number(bound.requestedAtUs)),
		chargedAmount: charge && jsonAmount(charge.amountCents),
		settledAt: moment(payment.settledAt),
		flagged: payment.flagged,
		attempts: payment.attempts,
		attemptLog: payment.attemptLog.map((attempt) => ({
			token: String(attempt.token),
			processor: processorWords.word(attempt.processor),
			requestedAt: moment(attempt.requestedAt),
			state: attemptStateWords.word(attempt.state),
		})),
		resolution: resolution && {
			decision: decisionWords.word(resolution.decision),
			who: resolution.who,
			why: resolution.why,
			at: moment(resolution.at),
		},
	};
}

function moment(timestamp: Timestamp | undefined): string | undefined {
	return timestamp && formatInstant(Number(timestamp.seconds) * 1_000_000 + Math.floor(timestamp.nanos / 1000));
}
