// When the payments of an open-loop run are to be sent: decided before it begins, so that a slow server cannot slow it.
import type { Random } from "./random.ts";

/** `constant`: evenly spaced. `poisson`: independent arrivals, with their clusters. */
export type Spacing = "constant" | "poisson";

/** Milliseconds from the start, ascending, all below `forMs`. */
export function arrivals(ratePerSecond: number, forMs: number, spacing: Spacing, random: Random): Float64Array {
	const gapMs = 1000 / ratePerSecond;
	const expected = Math.ceil(forMs / gapMs);
	if (spacing === "constant") return Float64Array.from({ length: expected }, (_, n) => n * gapMs);
	const times: number[] = [];
	for (let atMs = gap(); atMs < forMs; atMs += gap()) times.push(atMs);
	return Float64Array.from(times);

	function gap(): number {
		return -Math.log(1 - random()) * gapMs;
	}
}
