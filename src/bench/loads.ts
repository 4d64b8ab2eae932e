// The shapes of load: an open loop that nothing slows down, users who wait for their answer, and as fast as it goes.
import { ChurnSet } from "../churn.ts";
import type { Driver } from "./driver.ts";
import { pace } from "./pacer.ts";

/** Resolves when everything was sent, or soon after the signal aborts. */
export type Load = (driver: Driver, signal: AbortSignal) => Promise<void>;

/** Sends at `times` (ms from the start) over `connections`; what is before `warmUpMs` is not measured. */
export function openLoop(times: Float64Array, connections: number, warmUpMs: number): Load {
	return async (driver, signal) => {
		driver.connect(connections);
		let n = 0;
		await pace(times, (atMs) => driver.post(atMs, times[n++]! >= warmUpMs), signal);
	};
}

/** The public script's: users from `first` to `last`, added evenly over `forMs`; each posts, waits, sleeps, and again. */
export function rampingUsers(first: number, last: number, forMs: number, pauseMs: number): Load {
	return (driver, signal) =>
		new Promise((resolve) => {
			const timers = new ChurnSet<ReturnType<typeof setTimeout>>();
			const later = (ms: number, task: () => void): void => {
				const timer = setTimeout(() => {
					timers.delete(timer);
					task();
				}, ms);
				timers.add(timer);
			};
			const stop = (): void => {
				for (const timer of timers) clearTimeout(timer);
				timers.clear();
				resolve();
			};
			const endMs = performance.now() + forMs;
			const turn = (): void => {
				if (signal.aborted || performance.now() >= endMs) return;
				driver.post(performance.now(), true, () => later(pauseMs, turn));
			};
			const join = (): void => {
				driver.connect(1);
				turn();
			};
			for (let user = 0; user < last; user++) {
				const atMs = user < first ? 0 : ((user - first + 1) / (last - first)) * forMs;
				later(atMs, join);
			}
			later(forMs, stop);
			signal.addEventListener("abort", stop, { once: true });
			if (signal.aborted) stop();
		});
}

/** Posts until `count` payments were accepted, `connections` at once. Failures are repeated after a pause, as new payments. */
export function asFastAsAccepted(count: number, connections: number): Load {
	const pauseAfterFailureMs = 50;
	return (driver, signal) =>
		new Promise((resolve) => {
			driver.connect(connections);
			let wanted = count;
			let running = connections;
			const turn = (): void => {
				if (signal.aborted || wanted === 0) {
					if (--running === 0) resolve();
					return;
				}
				wanted--;
				driver.post(performance.now(), true, (accepted) => {
					if (accepted) return queueMicrotask(turn);
					wanted++;
					setTimeout(turn, pauseAfterFailureMs);
				});
			};
			for (let i = 0; i < connections; i++) turn();
		});
}
