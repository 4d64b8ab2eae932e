// A thread that does nothing but wake in time: timers of an event loop are up to 2 ms late, this one about 0.1 ms.
import { parentPort, workerData } from "node:worker_threads";

/** What it posts: first its clock, some times over, then its start on that clock, then how many arrivals are due. */
export type PacerMessage = { readonly clockMs: number } | { readonly startMs: number } | number;

const { times, leadMs } = workerData as { times: Float64Array; leadMs: number };
const greetings = 20;
/** Arrivals so close together go out as one message. */
const togetherMs = 0.05;

const cell = new Int32Array(new SharedArrayBuffer(4));
const nowMs = (): number => performance.now();
const sleep = (ms: number): unknown => Atomics.wait(cell, 0, 0, ms);
const post = (message: PacerMessage): void => parentPort?.postMessage(message);

for (let i = 0; i < greetings; i++) {
	post({ clockMs: nowMs() });
	sleep(1);
}
const startMs = nowMs() + leadMs;
post({ startMs });
for (let due = 0; due < times.length; ) {
	const leftMs = startMs + times[due]! - nowMs();
	if (leftMs > 0) {
		sleep(leftMs);
		continue;
	}
	const untilMs = nowMs() - startMs + togetherMs;
	while (due < times.length && times[due]! <= untilMs) due++;
	post(due);
}
