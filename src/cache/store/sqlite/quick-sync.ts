// Syncs the log where that costs least: on the event loop while the disk is quick, off it while it is not.
//
// Off the loop, a sync needs a thread to wake up, and then the loop: with a disk that is done in 0.2 ms that is more than
// the sync itself, of time and of CPU. On the loop, nothing else happens meanwhile, which only a short sync excuses.
import { fdatasyncSync } from "node:fs";

export interface QuickSyncOptions {
	/** A sync on the loop that took longer sends the next ones off it, ms. */
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

/** `apart` syncs off the event loop. */
export function createQuickSync(
	apart: (fd: number) => Promise<void>,
	{ slowMs, apartCount, now, fdatasyncSync }: QuickSyncOptions = quickSyncDefaults,
): (fd: number) => Promise<void> {
	let left = 0;
	return async (fd) => {
		if (left > 0) {
			left--;
			return apart(fd);
		}
		const beganAtMs = now();
		fdatasyncSync(fd);
		if (now() - beganAtMs > slowMs) left = apartCount;
	};
}
