// Calls at moments that were fixed beforehand, to a tenth of a millisecond, whatever else the event loop does.
import { Worker } from "node:worker_threads";
import type { PacerMessage } from "./pacer-worker.ts";

/** Room to begin in, so that the first arrival is not late. */
const leadMs = 20;

/**
 * Calls `due(atMs)` for each of `times` (ms from the start, ascending), where `atMs` is the intended moment on
 * `performance.now()`. Resolves after the last; aborted, it stops.
 */
export async function pace(times: Float64Array, due: (atMs: number) => void, signal?: AbortSignal): Promise<void> {
	if (times.length === 0 || signal?.aborted) return;
	const worker = new Worker(new URL("./pacer-worker.ts", import.meta.url), { workerData: { times, leadMs } });
	// Threads may count time from different origins. The least difference seen is the offset and the swiftest delivery.
	let offsetMs = Number.POSITIVE_INFINITY;
	let startMs = 0;
	let next = 0;
	try {
		await new Promise<void>((resolve, reject) => {
			signal?.addEventListener("abort", () => resolve(), { once: true });
			worker.once("error", reject);
			worker.on("message", (message: PacerMessage) => {
				if (signal?.aborted) return;
				if (typeof message === "number") {
					for (; next < message; next++) due(startMs + times[next]!);
					if (next === times.length) resolve();
				} else if ("clockMs" in message) offsetMs = Math.min(offsetMs, performance.now() - message.clockMs);
				else startMs = message.startMs + offsetMs;
			});
		});
	} finally {
		await worker.terminate();
	}
}
