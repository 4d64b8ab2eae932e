// Jobs, queues and gateways for the tests beside this file: in memory, and doing as they are told.

import type { Cutoff } from "../../src/consumer/cutoff.ts";
import { limiterDefaults } from "../../src/consumer/limiter.ts";
import type { ChargeAnswer, Gateway, Job, Queue, ReadBackAnswer } from "../../src/consumer/ports.ts";
import type { PinOutcome } from "../../src/payment/outcome.ts";

export const paymentId = (n: number): string => `4a7901b8-7d26-4d9d-aa19-${n.toString(16).padStart(12, "0")}`;
export const sentAtUs = Date.UTC(2025, 6, 15, 12) * 1000;

export function makeJob(n: number, more: Partial<Job> = {}): Job {
	return { id: paymentId(n), amountCents: 1990n, token: BigInt(n), epoch: 1n, attempts: 0, waitedMs: 0, ...more };
}

export const never = <T>(): Promise<T> => new Promise<T>(() => {});

/** Answers as its fields say, and notes every call. */
export function stubQueue() {
	const calls: string[] = [];
	const stub = {
		calls,
		pinAs: async (): Promise<PinOutcome> => ({ outcome: "pinned", requestedAtUs: sentAtUs }),
		releaseAs: async (): Promise<"released" | "fenced"> => "released",
		settleAs: async (): Promise<"settled" | "repeated" | "stale" | "refused"> => "settled",
	};
	const queue: Queue = {
		pin(job, processor) {
			calls.push(`pin ${job.token} ${processor}`);
			return stub.pinAs();
		},
		release(job, result) {
			calls.push(`release ${job.token} ${result}`);
			return stub.releaseAs();
		},
		settle(job, charge, proof) {
			calls.push(
				`settle ${job.token} ${charge.processor} ${charge.amountCents} ${charge.requestedAtUs - sentAtUs} ${proof}`,
			);
			return stub.settleAs();
		},
	};
	return Object.assign(stub, { queue });
}

export function stubGateway(calls: string[] = []) {
	const stub = {
		calls,
		chargeAs: async (_: Cutoff): Promise<ChargeAnswer> => ({ kind: "charged" }),
		readBackAs: async (): Promise<ReadBackAnswer> => ({ kind: "absent" }),
	};
	const gateway: Gateway = {
		charge(processor, payment, signal) {
			calls.push(`charge ${payment.id.slice(-2)} ${processor} ${payment.requestedAtUs - sentAtUs}`);
			return stub.chargeAs(signal);
		},
		readBack(processor, id) {
			calls.push(`read ${id.slice(-2)} ${processor}`);
			return stub.readBackAs();
		},
		health: async () => ({ reachable: true, failing: false, minResponseMs: 0 }),
	};
	return Object.assign(stub, { gateway });
}

export const limits = { ...limiterDefaults, start: 4, ceiling: 8, floor: 2 };
