// Waits for what another process does, which no promise tells: looks again and again, within a bound.
import { setTimeout as sleepMs } from "node:timers/promises";

/** Between two looks, ms. */
const lookEveryMs = 20;

type Truthy<T> = Exclude<T, false | 0 | 0n | "" | null | undefined>;

/** Resolves with the first truthy value that `look` gives; what it throws counts as "not yet". Rejects after `boundMs`. */
export async function until<T>(what: string, boundMs: number, look: () => T | Promise<T>): Promise<Truthy<T>> {
	const endMs = performance.now() + boundMs;
	let last: unknown;
	for (;;) {
		try {
			const seen = await look();
			if (seen) return seen as Truthy<T>;
			last = undefined;
		} catch (error) {
			last = error;
		}
		if (performance.now() > endMs) throw new Error(`waited ${boundMs} ms in vain: ${what}`, { cause: last });
		await sleepMs(lookEveryMs);
	}
}

/** As `promise`, but rejects after `boundMs`. */
export async function within<T>(what: string, boundMs: number, promise: Promise<T>): Promise<T> {
	const { promise: late, reject } = Promise.withResolvers<never>();
	const timer = setTimeout(() => reject(new Error(`waited ${boundMs} ms in vain: ${what}`)), boundMs);
	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
