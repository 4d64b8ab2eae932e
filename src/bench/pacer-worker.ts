// A thread that does nothing but wake in time: timers of an event loop are up to 2 ms late, this one about 0.1 ms.
import { parentPort, workerData } from "node:worker_threads";

export interface PacerShared {
	/** A ring; on the worker's clock, ascending. */
	readonly moments: Float64Array;
	/** Of two numbers: how many moments were ever put in, and how many have come, as the worker last saw when it went to sleep. */
	readonly counts: Int32Array;
}

export const added = 0;
export const come = 1;

/** What it posts: first its clock, some times over, then how many moments have come. */
export type PacerMessage = { readonly clockMs: number } | number;

/** One a millisecond, until the first moment is put in. */
export const greetingsMax = 1_000;
/** Moments so close together go out as one message. */
const togetherMs = 0.05;

if (parentPort) {
	const { moments, counts } = workerData as PacerShared;
	const wait = (seen: number, ms?: number): unknown => Atomics.wait(counts, added, seen, ms);
	const post = (message: PacerMessage): void => parentPort?.postMessage(message);
	const at = (n: number): number => moments[n % moments.length]!;

	for (let i = 0; i < greetingsMax && Atomics.load(counts, added) === 0; i++) {
		post({ clockMs: performance.now() });
		wait(0, 1);
	}
	for (let due = 0; ; ) {
		const seen = Atomics.load(counts, added);
		if (due === seen) {
			Atomics.store(counts, come, due);
			wait(seen);
			continue;
		}
		const leftMs = at(due) - performance.now();
		if (leftMs > 0) {
			wait(seen, leftMs);
			continue;
		}
		const untilMs = performance.now() + togetherMs;
		while (due < seen && at(due) <= untilMs) due++;
		post(due);
	}
}
