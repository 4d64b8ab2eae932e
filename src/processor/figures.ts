// What a simulated processor has counted of its callers: how a bench or a test checks their manners.

export interface Figures {
	posts: number;
	/** Answered 200 or charged in silence. */
	charged: number;
	/** Answered 422 (or would have been): the id was stored already. */
	duplicates: number;
	/** Answered 500 with an empty body by the failure switch. */
	failures: number;
	/** Answered 400. */
	malformed: number;
	/** Answered 429, the concurrency limiter's queue being full. */
	refused: number;
	/** Requests of any kind that met a misbehaviour. */
	misbehaved: number;
	/** GET /payments/{id}. */
	reads: number;
	/** The most requests seen executing, and waiting, at once. */
	executingMax: number;
	queuedMax: number;
	health: HealthFigures;
}

export interface HealthFigures {
	asked: number;
	answered: number;
	/** Answered 429. */
	refused: number;
	/** Between two calls that came in, and between two that were answered; null before there were two. */
	minAskedIntervalMs: number | null;
	minAnsweredIntervalMs: number | null;
}

export function noFigures(): Figures {
	return {
		posts: 0,
		charged: 0,
		duplicates: 0,
		failures: 0,
		malformed: 0,
		refused: 0,
		misbehaved: 0,
		reads: 0,
		executingMax: 0,
		queuedMax: 0,
		health: { asked: 0, answered: 0, refused: 0, minAskedIntervalMs: null, minAnsweredIntervalMs: null },
	};
}

/** Takes the moments of events and gives the least time between two of them. */
export function createIntervalMeter(): (atMs: number) => number | null {
	let lastMs: number | undefined;
	let leastMs: number | null = null;
	return (atMs) => {
		if (lastMs !== undefined) leastMs = Math.min(leastMs ?? Number.POSITIVE_INFINITY, atMs - lastMs);
		lastMs = atMs;
		return leastMs;
	};
}
