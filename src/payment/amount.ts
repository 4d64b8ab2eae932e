// Money: exact cents from the text of a request to the text of an answer, never a binary fraction.
import { Decimal } from "decimal.js";

/** The smallest amount of one payment: 0.01. */
export const amountMinCents = 1n;
/** The largest amount of one payment: 999,999,999.99. 9 × 10⁷ of these still fit the ledger's 64 bits. */
export const amountMaxCents = 99_999_999_999n;

/** Decimal rounds what it computes to 20 digits unless told otherwise; 10³⁰ with two decimals has 33. */
const Exact = Decimal.clone({ precision: 40 });

/** More digits than any amount in the range needs; a longer text is refused before it costs anything. */
const sourceMax = 64;
const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
/** The form that nearly every request has; no Decimal is needed for it. */
const plain = /^(\d{1,9})(?:\.(\d{1,2}))?$/;

/**
 * Cents from the source text of a JSON number. The value counts and not the spelling: `19.900` and `1.99e1` are 19.90.
 * `undefined` where it is not a number, has more than two decimals, or lies outside the range of a payment.
 */
export function parseAmount(source: string): bigint | undefined {
	const cents = parseCents(source);
	return cents !== undefined && cents >= amountMinCents && cents <= amountMaxCents ? cents : undefined;
}

/** As {@link parseAmount}, for any amount of zero or more up to 10³⁰: a total, or what a processor says. */
export function parseCents(source: string): bigint | undefined {
	if (source.length > sourceMax || !jsonNumber.test(source)) return undefined;
	const match = plain.exec(source);
	if (match) return BigInt(Number(match[1]) * 100 + Number((match[2] ?? "").padEnd(2, "0")));
	const value = new Exact(source);
	if (value.isNegative() || value.decimalPlaces() > 2 || value.gt("1e30")) return undefined;
	return BigInt(value.mul(100).toFixed(0));
}

/** The amount as decimal text with two digits after the point: a valid JSON number, exact however large. */
export function formatCents(cents: bigint): string {
	const sign = cents < 0n ? "-" : "";
	const digits = (cents < 0n ? -cents : cents).toString().padStart(3, "0");
	return `${sign}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
