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
	return boundMs(backoff, tries) * (0.5 + random() / 2);
}

function boundMs({ baseMs, maxMs }: Backoff, tries: number): number {
	return Math.min(baseMs * 2 ** Math.min(tries, 30), maxMs);
}
