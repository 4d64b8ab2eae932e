// Pauses between tries: a bound that doubles with every try, up to the longest, and chance, so that callers never come in step.

export interface Backoff {
	readonly baseMs: number;
	readonly maxMs: number;
}

/** Full jitter: the pause before try number `tries` (0 for the first repeat), ms; `random` gives numbers in [0, 1). */
export function backoffMs(backoff: Backoff, tries: number, random: () => number): number {
	return random() * boundMs(backoff, tries);
}

/** Equal jitter: half of the pause is certain, for whoever must not ask again at once. Otherwise as `backoffMs`. */
export function equalBackoffMs(backoff: Backoff, tries: number, random: () => number): number {
	return equalJitterMs(boundMs(backoff, tries), random);
}

/** Equal jitter for a pause that does not grow: between half of `ms` and `ms`. */
export function equalJitterMs(ms: number, random: () => number): number {
	return ms * (0.5 + random() / 2);
}

/** Tries have no bound, and 2 to their power would be infinite; the longest pause is reached long before this. */
const doublingsMax = 30;

function boundMs({ baseMs, maxMs }: Backoff, tries: number): number {
	return Math.min(baseMs * 2 ** Math.min(tries, doublingsMax), maxMs);
}
