// The body of a simulated processor's POST /payments, and the decimals in it.
import { Decimal } from "decimal.js";
import { parseInstant } from "../payment/instant.ts";
import { amountSource, parseJsonObject } from "../payment/json.ts";
import { parsePaymentId } from "../payment/payment.ts";

export interface PaymentRequest {
	readonly correlationId: string;
	readonly cents: number;
	readonly requestedAtUs: number;
}

/** Below this a double's own error is far smaller than the distance between a whole cent and the next tie. */
const plainAmountMax = 1e9;
/** How far from a whole cent a double may be and still be rounded without a look at its source text. */
const nearlyWholeCent = 1e-3;

/** `undefined` where the text is not JSON, or a field is missing or malformed, or the amount beyond 2⁵³ cents. */
export function parsePaymentRequest(text: string): PaymentRequest | undefined {
	const body = parseObject(text);
	if (!body) return undefined;
	const { correlationId, amount, requestedAt } = body;
	if (typeof correlationId !== "string" || typeof amount !== "number" || typeof requestedAt !== "string")
		return undefined;
	const id = parsePaymentId(correlationId);
	const requestedAtUs = parseInstant(requestedAt);
	const cents = roundToCents(amount, text);
	if (id === undefined || requestedAtUs === undefined || cents === undefined) return undefined;
	return { correlationId: id, cents, requestedAtUs };
}

/** A JSON object, or `undefined`. */
export function parseObject(text: string): Record<string, unknown> | undefined {
	try {
		const value: unknown = JSON.parse(text);
		return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
	} catch {
		return undefined; // not JSON: the caller answers 400
	}
}

/** Half-even to whole cents by the digits of the request's number, as the processor's own decimals are rounded. */
function roundToCents(amount: number, text: string): number | undefined {
	if (Math.abs(amount) < plainAmountMax) {
		const whole = Math.round(amount * 100);
		if (Math.abs(amount * 100 - whole) < nearlyWholeCent) return whole;
	}
	const source = amountSource(parseJsonObject(text)!.amount)!;
	const cents = new Decimal(source).toDecimalPlaces(2, Decimal.ROUND_HALF_EVEN).times(100);
	return cents.abs().lte(Number.MAX_SAFE_INTEGER) ? cents.toNumber() : undefined;
}
