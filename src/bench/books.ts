// Totals, as a processor or the relay tells them: count and cents, exact from the digits of the answer.
import { Decimal } from "decimal.js";
import { formatCents, parseCents } from "../payment/amount.ts";
import { type Processor, processors } from "../payment/payment.ts";

export interface Totals {
	readonly count: number;
	readonly cents: bigint;
	/** The digits, where they are no whole number of cents: `cents` is then the nearest. */
	readonly inexact?: string;
}

export type Books = Readonly<Record<Processor, Totals>>;

/** JSON whose numbers are kept as their text. Throws where it is not JSON. */
export function parseWithNumbersAsText(text: string): unknown {
	return JSON.parse(text, (_key, value, { source }) => (typeof value === "number" ? source : value));
}

/** `{"totalRequests": …, "totalAmount": …}` as parsed by {@link parseWithNumbersAsText}. Throws where it is not. */
export function totalsOf(value: unknown): Totals {
	const { totalRequests, totalAmount } = (value ?? {}) as Record<string, unknown>;
	if (typeof totalRequests !== "string" || typeof totalAmount !== "string" || !/^\d+$/.test(totalRequests))
		throw new Error(`these are no totals: ${JSON.stringify(value)}`);
	const cents = parseCents(totalAmount);
	if (cents !== undefined) return { count: Number(totalRequests), cents };
	const nearest = BigInt(new Decimal(totalAmount).mul(100).toFixed(0));
	return { count: Number(totalRequests), cents: nearest, inexact: totalAmount };
}

/** The relay's summary: totals by processor. */
export function booksOf(text: string): Books {
	const answer = parseWithNumbersAsText(text) as Record<Processor, unknown>;
	return { default: totalsOf(answer?.default), fallback: totalsOf(answer?.fallback) };
}

export function sameTotals(a: Totals, b: Totals): boolean {
	return a.count === b.count && a.cents === b.cents;
}

export function sameBooks(a: Books, b: Books): boolean {
	return processors.every((one) => sameTotals(a[one], b[one]));
}

export function countOf(books: Books): number {
	return books.default.count + books.fallback.count;
}

export function describeTotals({ count, cents }: Totals): string {
	return `${count} payments, ${formatCents(cents)}`;
}
