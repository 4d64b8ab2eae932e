// Syncs the log where that costs least: on the event loop while the disk is quick, off it while it is not.
//
// Off the loop, a sync needs a thread to wake up, and then the loop: with a disk that is done in 0.2 ms that is more than
// the sync itself, of time and of CPU. On the loop, nothing else happens meanwhile, which only a short sync excuses.
import { fdatasyncSync } from "node:fs";

export interface QuickSyncOptions {
	/** Syncs on the loop that took longer send the next ones off it, ms: on the mean, as one alone may have waited for the CPU. */
	readonly slowMs: number;
	/** So many, before another one is tried on the loop. */
	readonly apartCount: number;
	readonly now: () => number;
	/** Blocks until the descriptor's data is safe. */
	readonly fdatasyncSync: (fd: number) => void;
}

const quickSyncDefaults: QuickSyncOptions = {
	slowMs: 2,
	apartCount: 64,
	now: () => performance.now(),
	fdatasyncSync,
};

/** What one sync counts in the mean of those before it. */
const weight = 1 / 8;

/** `apart` syncs off the event loop. */
export function createQuickSync(
	apart: (fd: number) => Promise<void>,
	{ slowMs, apartCount, now, fdatasyncSync }: QuickSyncOptions = quickSyncDefaults,
): (fd: number) => Promise<void> {
	let left = 0;
	// The first one decides alone, as does the one after those that went off the loop.
	let meanMs = slowMs;
	return async (fd) => {
		if (left > 0) {
			left--;
			return apart(fd);
		}
		const beganAtMs = now();
		fdatasyncSync(fd);
		meanMs += (now() - beganAtMs - meanMs) * weight;
		if (meanMs <= slowMs) return;
		left = apartCount;
		meanMs = slowMs;
	};
}
