// The recent past as two windows, the one that runs and the one before it: what is older is forgotten without a list.
import type { Clock } from "../clock.ts";

/** How many windows have ended since it was asked last; 2 stands for more as well. To be asked before each look. */
export function countEnded(clock: Pick<Clock, "monotonic">, windowMs: number): () => 0 | 1 | 2 {
	let endsAtMs = clock.monotonic() + windowMs;
	return () => {
		const nowMs = clock.monotonic();
		if (nowMs < endsAtMs) return 0;
		const ended = nowMs < endsAtMs + windowMs ? 1 : 2;
		endsAtMs = nowMs + windowMs;
		return ended;
	};
}
