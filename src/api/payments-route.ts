// POST /payments, the hot path: 202 is said only of what is on disk.
import { Code, ConnectError } from "@connectrpc/connect";
import { EnqueueOutcome } from "../gen/payrelay/v1/queue_service_pb.ts";
import { type PaymentRequest, parsePaymentRequest } from "./payment-request.ts";
import type { Problem } from "./problem.ts";

/**
 * Stores a payment: resolves once the outcome is on disk. Rejects with a ConnectError, soon, where that cannot be said:
 * RESOURCE_EXHAUSTED when too many wait already, anything else when the cache is away or did not answer in time.
 */
export type Enqueue = (payment: PaymentRequest) => Promise<EnqueueOutcome>;

/** `undefined` when the payment of the body is accepted, now or before; else why it is not, or not known to be. */
export type AcceptPayment = (body: string) => Promise<Problem | undefined>;

export function createAcceptPayment(
	enqueue: Enqueue,
	retryAfterS: number,
	onFault: (error: unknown) => void,
): AcceptPayment {
	const headers = { "retry-after": String(retryAfterS) };
	const full: Problem = { kind: "queue-full", detail: "Nothing was stored. Repeat the same request later.", headers };
	const away: Problem = {
		kind: "unavailable",
		detail: "It is not known that the payment is stored. Repeat the same request: it is charged at most once.",
		headers,
	};
	const conflict: Problem = {
		kind: "payment-conflict",
		detail: "A payment with this id and another amount was accepted before.",
		errors: [{ pointer: "#/amount", detail: "differs from that of the accepted payment" }],
	};
	return async (body) => {
		const payment = parsePaymentRequest(body);
		if ("kind" in payment) return payment;
		let outcome: EnqueueOutcome;
		try {
			outcome = await enqueue(payment);
		} catch (error) {
			const code = error instanceof ConnectError ? error.code : undefined;
			if (code === Code.ResourceExhausted) return full;
			if (code !== Code.Unavailable && code !== Code.DeadlineExceeded && code !== Code.Canceled) onFault(error);
			return away;
		}
		switch (outcome) {
			case EnqueueOutcome.ACCEPTED:
			case EnqueueOutcome.REPEATED:
				return undefined;
			case EnqueueOutcome.CONFLICT:
				return conflict;
			case EnqueueOutcome.FULL:
				return full;
			default:
				onFault(new Error(`enqueue came to an outcome that the contract does not name: ${outcome}`));
				return away;
		}
	};
}
