// Calls at given moments, to a tenth of a millisecond, whatever else the event loop does.
//
// An event loop's own timers are of whole milliseconds: tasks that run in one turn set their next timers in one turn too,
// so that users who once met go on posting together for the rest of the run.
import { Worker } from "node:worker_threads";
import { added, come, greetingsMax, type PacerMessage, type PacerShared } from "./pacer-worker.ts";

const greetingsMin = 20;
/** The two swiftest greetings differ by less, ms. */
const nearMs = 0.2;

export interface Pacer {
	/** A moment on `performance.now()`, none before the one given last. */
	add(atMs: number): void;
	close(): Promise<void>;
}

/** `due` is called once for each moment, when it has come. At most `room` moments may be waiting. */
export async function createPacer(room: number, due: (atMs: number) => void): Promise<Pacer> {
	const shared: PacerShared = {
		moments: new Float64Array(new SharedArrayBuffer(8 * room)),
		counts: new Int32Array(new SharedArrayBuffer(8)),
	};
	const worker = new Worker(new URL("./pacer-worker.ts", import.meta.url), { workerData: shared });
	const waiting = new Float64Array(room);
	let given = 0;
	let called = 0;
	let closed = false;
	// Threads may count time from different origins. The least difference seen is the offset and the swiftest delivery, once
	// another one bears it out: all of them are late where this thread was off the CPU meanwhile.
	const offsetMs = await new Promise<number>((resolve, reject) => {
		let [leastMs, nextMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
		let heard = 0;
		worker.once("error", reject);
		worker.on("message", (message: PacerMessage) => {
			if (typeof message === "number") while (!closed && called < message) due(waiting[called++ % room]!);
			else {
				const differenceMs = performance.now() - message.clockMs;
				nextMs = Math.min(nextMs, Math.max(leastMs, differenceMs));
				leastMs = Math.min(leastMs, differenceMs);
				if (++heard === greetingsMax || (heard >= greetingsMin && nextMs < leastMs + nearMs)) resolve(leastMs);
			}
		});
	});
	// From here on, an error of the thread is nobody's to handle, and ends the process.
	worker.removeAllListeners("error");
	return {
		add(atMs) {
			if (given - called === room) throw new RangeError(`more than ${room} moments are waiting`);
			waiting[given % room] = atMs;
			shared.moments[given % room] = atMs - offsetMs;
			Atomics.store(shared.counts, added, ++given);
			// A worker with moments before it wakes for those; only one that sleeps without any has to be woken.
			if (Atomics.load(shared.counts, come) === given - 1) Atomics.notify(shared.counts, added);
		},
		async close() {
			closed = true;
			await worker.terminate();
		},
	};
}

/** Room to begin in, so that the first arrival is not late. */
const leadMs = 20;

/**
 * Calls `due(atMs)` for each of `times` (ms from the start, ascending), where `atMs` is the intended moment on
 * `performance.now()`. Resolves after the last; aborted, it stops.
 */
export async function pace(times: Float64Array, due: (atMs: number) => void, signal?: AbortSignal): Promise<void> {
	if (times.length === 0 || signal?.aborted) return;
	const last = Promise.withResolvers<void>();
	let left = times.length;
	const pacer = await createPacer(times.length, (atMs) => {
		if (signal?.aborted) return;
		due(atMs);
		if (--left === 0) last.resolve();
	});
	signal?.addEventListener("abort", () => last.resolve(), { once: true });
	try {
		const startMs = performance.now() + leadMs;
		if (!signal?.aborted) for (const time of times) pacer.add(startMs + time);
		else last.resolve();
		await last.promise;
	} finally {
		await pacer.close();
	}
}
