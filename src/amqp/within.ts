// Waits for something that may never come, for a while.
import type { Clock } from "../clock.ts";

/** Resolves as `wait` does, or after `ms`. */
export async function within(ms: number, clock: Clock, wait: Promise<void>): Promise<void> {
	const over = Promise.withResolvers<void>();
	const cancel = clock.after(ms, over.resolve);
	try {
		await Promise.race([wait, over.promise]);
	} finally {
		cancel();
	}
}
