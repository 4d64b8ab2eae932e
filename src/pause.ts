// Pauses between tries: each up to twice the one before, up to a bound, and never the same for two who wait.

export interface Pauses {
	readonly minMs: number;
	readonly maxMs: number;
}

/** The pause after `failures` in a row (1 for the first), ms: half of it is certain, the other half is chance. */
export function pauseMs({ minMs, maxMs }: Pauses, failures: number, random: () => number): number {
	return Math.min(minMs * 2 ** Math.min(failures - 1, 30), maxMs) * (0.5 + random() / 2);
}
