// The body of POST /payments: from its text to a payment, or to what is wrong with it.
import { parseAmount } from "../payment/amount.ts";
import { amountSource, parseJsonObject } from "../payment/json.ts";
import { parsePaymentId } from "../payment/payment.ts";
import type { FieldError, Problem } from "./problem.ts";

/** A payment fits well in it: id, amount, names and braces are about a hundred bytes. */
export const paymentBodyMaxBytes = 1024;

/** The id in lower case, and exact cents: what is enqueued. */
export interface PaymentRequest {
	readonly id: string;
	readonly amountCents: bigint;
}

/** The form that nearly every body has: these two members, once, and digits that need no more than to be put together. */
const plain =
	/^\{"correlationId": ?"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})", ?"amount": ?([1-9]\d{0,8}|0)(?:\.(\d\d?))?\}$/;

/** Members other than `correlationId` and `amount` are ignored, whatever is in them. */
export function parsePaymentRequest(text: string): PaymentRequest | Problem {
	const match = plain.exec(text);
	if (match) {
		const [, id, whole, part = ""] = match;
		const cents = Number(whole) * 100 + Number(part.length === 1 ? `${part}0` : part);
		if (cents > 0) return { id: id!, amountCents: BigInt(cents) };
	}
	return parseAny(text);
}

function parseAny(text: string): PaymentRequest | Problem {
	const body = parseJsonObject(text);
	if (!body) return { kind: "malformed-body", detail: "The body must be one JSON object." };
	const { correlationId } = body;
	const id = typeof correlationId === "string" ? parsePaymentId(correlationId) : undefined;
	const source = amountSource(body.amount);
	const amountCents = source === undefined ? undefined : parseAmount(source);
	if (id !== undefined && amountCents !== undefined) return { id, amountCents };
	const errors: FieldError[] = [];
	if (id === undefined) errors.push({ pointer: "#/correlationId", detail: "must be a UUID" });
	if (amountCents === undefined) errors.push({ pointer: "#/amount", detail: amountRule });
	return { kind: "invalid-payment", detail: "See errors for the members that are missing or not valid.", errors };
}

export const amountRule = "must be a JSON number from 0.01 to 999999999.99 with at most two decimals";
