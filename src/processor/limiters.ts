// The two limiters of a processor: how many requests at once, and how often its health may be asked for.
import type { Clock } from "../clock.ts";

export interface ConcurrencyLimiter {
	/** The task's result, now or after a wait in the queue; `undefined` at once where the queue is full. */
	run<T>(task: () => Promise<T>): Promise<T> | undefined;
	executing(): number;
	queued(): number;
}

/** Up to `executingMax` tasks at once, up to `queuedMax` more wait, the oldest first. */
export function createConcurrencyLimiter(executingMax: number, queuedMax: number): ConcurrencyLimiter {
	const queue: (() => void)[] = [];
	let executing = 0;

	const execute = async <T>(task: () => Promise<T>): Promise<T> => {
		try {
			return await task();
		} finally {
			const next = queue.shift();
			if (next) next();
			else executing--;
		}
	};

	return {
		run(task) {
			if (executing < executingMax) {
				executing++;
				return execute(task);
			}
			if (queue.length >= queuedMax) return undefined;
			return new Promise<void>((resolve) => queue.push(resolve)).then(() => execute(task));
		},
		executing: () => executing,
		queued: () => queue.length,
	};
}

export interface WindowLimiter {
	/** True at once, or once a window turns with nobody older waiting; false where the queue is full. */
	enter(): true | Promise<true> | false;
	stop(): void;
}

/**
 * One permit a window, up to `queuedMax` callers wait for later windows. Windows follow each other from the first call
 * on, whether used or not, so that two callers can be let in shortly before and shortly after a turn.
 */
export function createWindowLimiter(clock: Clock, windowMs: number, queuedMax: number): WindowLimiter {
	const queue: ((granted: true) => void)[] = [];
	let windowStartMs: number | undefined;
	let used = false;
	let cancelTurn: (() => void) | undefined;

	const turn = (): void => {
		const now = clock.monotonic();
		windowStartMs ??= now;
		const passed = Math.floor((now - windowStartMs) / windowMs);
		if (passed > 0) {
			windowStartMs += passed * windowMs;
			used = false;
		}
		if (!used && queue.length > 0) {
			used = true;
			queue.shift()!(true);
		}
		cancelTurn?.();
		cancelTurn = queue.length > 0 ? clock.after(windowStartMs + windowMs - now, turn) : undefined;
	};

	return {
		enter() {
			turn();
			if (!used) {
				used = true;
				return true;
			}
			if (queue.length >= queuedMax) return false;
			const granted = new Promise<true>((resolve) => queue.push(resolve));
			turn();
			return granted;
		},
		stop: () => cancelTurn?.(),
	};
}
