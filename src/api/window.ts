// The window of GET /payments-summary: two optional bounds, both inclusive, to the microsecond.
import { parseInstant } from "../payment/instant.ts";
import type { FieldError, Problem } from "./problem.ts";

/** Microseconds since the Unix epoch; an absent bound is open. `fromUs` after `toUs`: there is no microsecond in it. */
export interface Window {
	readonly fromUs?: number;
	readonly toUs?: number;
}

const momentRule =
	"must be one ISO-8601 moment, with a time of day, from 1970 on, such as 2026-01-31T12:00:00.000Z; a plus sign is written %2B in a query";

/** An empty parameter is as good as none. Digits beyond the microsecond narrow the window, as they should. */
export function parseWindow(from: readonly string[], to: readonly string[]): Window | Problem {
	const errors: FieldError[] = [];
	const bound = (parameter: string, values: readonly string[]): string | undefined => {
		const text = values[0] ?? "";
		if (text === "" && values.length < 2) return undefined;
		if (values.length === 1 && parseInstant(text) !== undefined) return text;
		errors.push({ parameter, detail: momentRule });
		return undefined;
	};
	const fromText = bound("from", from);
	const toText = bound("to", to);
	const fromUs = fromText === undefined ? undefined : parseInstant(fromText, "up");
	const toUs = toText === undefined ? undefined : parseInstant(toText);
	if (fromText !== undefined && toUs !== undefined && parseInstant(fromText)! > toUs)
		errors.push({ parameter: "from", detail: "must not be after to" });
	if (errors.length > 0) return { kind: "invalid-query", detail: "See errors for the parameters at fault.", errors };
	return { ...(fromUs !== undefined && { fromUs }), ...(toUs !== undefined && { toUs }) };
}
