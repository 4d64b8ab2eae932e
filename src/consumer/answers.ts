// What a processor's answers mean: complete ones that the contract names, and everything else.
//
// The processors' contract: 200 with a message, charged; 422, charged by an earlier POST; 429, too many, not charged; 500
// with an empty body, failing, not charged. A 500 with a body says nothing: the insert may commit after it. An answer
// is complete only where its header said how long it is and so much came: one that ends with its connection looks the
// same when it was cut.
import { parseAmount } from "../payment/amount.ts";
import { parseInstant } from "../payment/instant.ts";
import { amountSource, parseJsonObject } from "../payment/json.ts";
import { type Processor, parsePaymentId } from "../payment/payment.ts";
import type { ChargeAnswer, HealthAnswer, ReadBackAnswer } from "./ports.ts";

/** An answer that came whole, body included. */
export interface WholeAnswer {
	readonly status: number;
	readonly body: string;
	/** The header told the body's length, or that it comes in chunks. */
	readonly framed: boolean;
}

/** How the processors answer every charge; others are parsed. */
const usualSuccess = '{"message":"payment processed successfully"}';

/** As the standard allows, a byte order mark before the text is passed over. */
const parseJson = (body: string) => parseJsonObject(body.startsWith("\ufeff") ? body.slice(1) : body);

export function readCharge({ status, body, framed }: WholeAnswer): ChargeAnswer {
	const malformed: ChargeAnswer = { kind: "unknown", why: "malformed" };
	if (!framed) return malformed;
	switch (status) {
		case 200:
			return body === usualSuccess || typeof parseJson(body)?.message === "string" ? { kind: "charged" } : malformed;
		case 422:
			return { kind: "duplicate" };
		case 429:
			return { kind: "not_charged", why: "too_many" };
		case 500:
			return body === "" ? { kind: "not_charged", why: "failing" } : { kind: "unknown", why: "status" };
		default:
			return { kind: "unknown", why: "status" };
	}
}

/** Only 200 with this payment's id, in any case, and a whole charge is a finding; only 404 says that there is none. */
export function readReadBack(processor: Processor, id: string, { status, body, framed }: WholeAnswer): ReadBackAnswer {
	if (framed && status === 404) return { kind: "absent" };
	if (!framed || status !== 200) return { kind: "no_answer" };
	const found = parseJson(body);
	if (!found || typeof found.correlationId !== "string" || typeof found.requestedAt !== "string")
		return { kind: "no_answer" };
	const amount = amountSource(found.amount);
	const amountCents = amount === undefined ? undefined : parseAmount(amount);
	const requestedAtUs = parseInstant(found.requestedAt);
	if (parsePaymentId(found.correlationId) !== id || amountCents === undefined || requestedAtUs === undefined)
		return { kind: "no_answer" };
	return { kind: "found", charge: { processor, amountCents, requestedAtUs } };
}

/** No delay that a processor announces beyond this is believed; the contract between the services has the same bound. */
const minResponseMaxMs = 600_000;

/** Not reached: nothing is known. It does not mean that charges fail; those tell by themselves. */
export const notReached: HealthAnswer = { reachable: false, failing: false, minResponseMs: 0 };

/** Anything but 200 with the two fields counts as not reached: 429 and garbage say nothing about charges either. */
export function readHealth({ status, body, framed }: WholeAnswer): HealthAnswer {
	const found = framed && status === 200 ? parseJson(body) : undefined;
	if (typeof found?.failing !== "boolean" || typeof found.minResponseTime !== "number") return notReached;
	const minResponseMs = Math.ceil(found.minResponseTime);
	if (!(minResponseMs >= 0 && minResponseMs <= minResponseMaxMs)) return notReached;
	return { reachable: true, failing: found.failing, minResponseMs };
}
