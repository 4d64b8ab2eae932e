// Time as a port: what waits or dates anything is given a clock, so that tests run it in simulated time.

export interface Clock {
	/** The wall clock, ms since the Unix epoch, possibly fractional. It can jump: never measure or wait with it. */
	now(): number;
	/** Milliseconds since some fixed moment; never goes back. */
	monotonic(): number;
	/** Resolves after `ms`; rejects with the signal's reason once that is aborted, and then holds no timer. */
	sleep(ms: number, signal?: AbortSignal): Promise<void>;
	/** Runs the task once after `ms`, unless the returned function was called before. */
	after(ms: number, task: () => void): () => void;
}

/** The wall clock in whole microseconds, as moments are stored and sent. */
export function nowUs(clock: Pick<Clock, "now">): number {
	return Math.floor(clock.now() * 1000);
}

/** A timer's longest delay in the runtimes; beyond it they fire at once, so longer waits are made of several. */
export const timerMaxMs = 2 ** 31 - 1;

export const systemClock: Clock = createClock({
	now: () => Date.now(),
	monotonic: () => performance.now(),
	after(ms, task) {
		if (ms > timerMaxMs) return afterLong(ms, task);
		const timer = setTimeout(task, ms);
		return () => clearTimeout(timer);
	},
});

function afterLong(ms: number, task: () => void): () => void {
	let cancel: () => void;
	const arm = (leftMs: number): void => {
		const partMs = Math.min(leftMs, timerMaxMs);
		cancel = systemClock.after(partMs, partMs < leftMs ? () => arm(leftMs - partMs) : task);
	};
	arm(ms);
	return () => cancel();
}

/** A clock out of its three sources; `sleep` follows from `after`. */
export function createClock(sources: Omit<Clock, "sleep">): Clock {
	return {
		...sources,
		sleep(ms, signal) {
			return new Promise((resolve, reject) => {
				if (signal?.aborted) return reject(signal.reason);
				const abort = (): void => {
					cancel();
					reject(signal?.reason);
				};
				const cancel = sources.after(ms, () => {
					signal?.removeEventListener("abort", abort);
					resolve();
				});
				signal?.addEventListener("abort", abort, { once: true });
			});
		},
	};
}
