// What a consumer needs of the world: the queue's calls, and the processors' calls, each as a few functions.
import type { AttemptResult, Charge, Pin } from "../payment/life.ts";
import type { PinOutcome, ReleaseOutcome, SettleOutcome } from "../payment/outcome.ts";
import type { Processor } from "../payment/payment.ts";
import type { Cutoff } from "./cutoff.ts";

/** A leased payment. `pin` is set where it is in doubt: only that processor may be asked. */
export interface Job {
	readonly id: string;
	readonly amountCents: bigint;
	readonly token: bigint;
	readonly epoch: bigint;
	readonly pin?: Pin;
	readonly attempts: number;
	/** Since it was accepted, when it was given out, ms. */
	readonly waitedMs: number;
}

/** Why a settle may be believed: 200 to the POST, or the charge read back. */
export type Proof = "charged" | "read_back";

/** No answer came in time: whether the call took effect is not known, and to ask again is safe. */
export class NoAnswer extends Error {
	override readonly name = "NoAnswer";
}

/**
 * The queue's hot calls. Each is idempotent, and rejects with `NoAnswer` where none came within its deadline; any other
 * rejection says that asking again is of no use, and that one of the two programs is wrong.
 */
export interface Queue {
	pin(job: Job, processor: Processor, signal: AbortSignal): Promise<PinOutcome>;
	release(job: Job, result: AttemptResult): Promise<ReleaseOutcome>;
	settle(job: Job, charge: Charge, proof: Proof): Promise<SettleOutcome>;
}

/**
 * What a POST to a processor came to. `not_charged` is proof that this POST did not charge and never will: the
 * connection was refused, 429, a 500 with an empty body, or we gave up before a byte had left. `duplicate` is 422: charged
 * by an earlier POST. Everything else is `unknown`.
 */
export type ChargeAnswer =
	| { readonly kind: "charged" }
	| { readonly kind: "duplicate" }
	| { readonly kind: "not_charged"; readonly why: "refused" | "too_many" | "failing" | "aborted" }
	| { readonly kind: "unknown"; readonly why: "timeout" | "aborted" | "connection" | "status" | "malformed" };

/** What a processor says of a payment; `absent` proves nothing while a POST of it may still be under way. */
export type ReadBackAnswer =
	| { readonly kind: "found"; readonly charge: Charge }
	| { readonly kind: "absent" }
	| { readonly kind: "no_answer" };

export interface HealthAnswer {
	readonly reachable: boolean;
	readonly failing: boolean;
	readonly minResponseMs: number;
}

/** A processor's API. No call rejects: what went wrong is in the answer. */
export interface Gateway {
	charge(
		processor: Processor,
		payment: { readonly id: string; readonly amountCents: bigint; readonly requestedAtUs: number },
		cutoff: Cutoff,
	): Promise<ChargeAnswer>;
	readBack(processor: Processor, id: string, cutoff: Cutoff): Promise<ReadBackAnswer>;
	health(processor: Processor, cutoff: Cutoff): Promise<HealthAnswer>;
}
