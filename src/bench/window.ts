// A window of time, both ends inclusive, as the relay and the processors take it.

/** ISO-8601 texts, UTC. */
export interface Window {
	readonly from: string;
	readonly to: string;
}

/** The query's text with its question mark; empty without a window. */
export function windowQuery(window?: Window): string {
	return window ? `?from=${encodeURIComponent(window.from)}&to=${encodeURIComponent(window.to)}` : "";
}

/** Between two moments of the wall clock, ms. */
export function windowOf(fromMs: number, toMs: number): Window {
	return { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };
}
