// Full-jitter pauses: between nothing and a bound that doubles with every try, so that callers never come in step.

export interface Backoff {
	readonly baseMs: number;
	readonly maxMs: number;
}

/** The pause before try number `tries` (0 for the first repeat), ms; `random` gives numbers in [0, 1). */
export function backoffMs({ baseMs, maxMs }: Backoff, tries: number, random: () => number): number {
	return random() * Math.min(baseMs * 2 ** Math.min(tries, 30), maxMs);
}
