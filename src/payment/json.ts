// JSON in which amounts of money pass exactly, in both directions: the digits of the text are what counts.
import { formatCents } from "./amount.ts";

/** Stands where the text had a JSON number under the name `amount`. A symbol, so that no JSON text can forge it. */
const sourceKey = Symbol("source text");

/**
 * A JSON object whose numbers named `amount`, at any depth, are kept as text: read them with {@link amountSource}.
 * `undefined` where the text is not JSON, or not an object. Of members with the same name the last one counts.
 */
export function parseJsonObject(text: string): Record<string, unknown> | undefined {
	let value: unknown;
	try {
		value = JSON.parse(text, keepAmountSource);
	} catch {
		return undefined;
	}
	return isObject(value) ? value : undefined;
}

/** The digits of a member that was a JSON number named `amount`; `undefined` for anything else. */
export function amountSource(value: unknown): string | undefined {
	return (value as { [sourceKey]?: string } | null | undefined)?.[sourceKey];
}

export function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** For `JSON.stringify`: cents as a JSON number with two decimals, exact however large. */
export function jsonAmount(cents: bigint): unknown {
	return JSON.rawJSON(formatCents(cents));
}

function keepAmountSource(key: string, value: unknown, { source }: { readonly source?: string }): unknown {
	return key === "amount" && typeof value === "number" ? { [sourceKey]: source } : value;
}
