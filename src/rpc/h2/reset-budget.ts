// Against rapid reset (CVE-2023-44487): streams that are opened and reset cost the peer nothing, and us a handler each.

export interface ResetLimits {
	/** Streams that a peer may reset at once, and then each second. */
	readonly resetsBurst: number;
	readonly resetsPerSecond: number;
}

/** Whether one more may be reset. */
export function createResetBudget({ resetsBurst, resetsPerSecond }: ResetLimits, nowMs: () => number): () => boolean {
	let left = resetsBurst;
	let atMs = nowMs();
	return () => {
		const now = nowMs();
		left = Math.min(resetsBurst, left + ((now - atMs) / 1000) * resetsPerSecond);
		atMs = now;
		return --left >= 0;
	};
}
