// The middle of several rounds' values; a round in which nothing could be measured was worse than any.

/** `undefined` where that is no number. */
export function median(values: readonly (number | undefined)[]): number | undefined {
	const sorted = values.map((value) => value ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b);
	const middle = sorted.length >> 1;
	const found = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
	return Number.isFinite(found) ? found : undefined;
}

/** Of those that there are. */
export function best(values: readonly (number | undefined)[]): number | undefined {
	const found = values.filter((value) => value !== undefined);
	return found.length === 0 ? undefined : Math.min(...found);
}

/** `undefined` where a value is missing. */
export function worst(values: readonly (number | undefined)[]): number | undefined {
	const found = Math.max(...values.map((value) => value ?? Number.POSITIVE_INFINITY));
	return Number.isFinite(found) ? found : undefined;
}
