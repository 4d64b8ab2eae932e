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

/**
 * Calls back once, with `undefined` when the payment of the body is accepted, now or before; else with why it is not, or
 * not known to be. Not a promise: on this path each of them counts.
 */
export type AcceptPayment = (body: string, answer: (problem: Problem | undefined) => void) => void;

/** `fault` notes what nobody expected, and gives what the caller is told of it. */
export function createAcceptPayment(
	enqueue: Enqueue,
	retryAfterS: number,
	fault: (error: unknown) => Problem,
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

	function problemOf(outcome: EnqueueOutcome): Problem | undefined {
		switch (outcome) {
			case EnqueueOutcome.ACCEPTED:
			case EnqueueOutcome.REPEATED:
				return undefined;
			case EnqueueOutcome.CONFLICT:
				return conflict;
			case EnqueueOutcome.FULL:
				return full;
			default:
				fault(new Error(`enqueue came to an outcome that the contract does not name: ${outcome}`));
				return away;
		}
	}

	function problemOfFailure(error: unknown): Problem {
		const code = error instanceof ConnectError ? error.code : undefined;
		if (code === Code.ResourceExhausted) return full;
		if (code !== Code.Unavailable && code !== Code.DeadlineExceeded && code !== Code.Canceled) fault(error);
		return away;
	}

	return (body, answer) => {
		let outcome: Promise<EnqueueOutcome> | Problem;
		try {
			const payment = parsePaymentRequest(body);
			outcome = "kind" in payment ? payment : enqueue(payment);
		} catch (error) {
			outcome = fault(error);
		}
		if ("kind" in outcome) answer(outcome);
		else
			outcome.then(
				(came) => answer(problemOf(came)),
				(error: unknown) => answer(problemOfFailure(error)),
			);
	};
}
