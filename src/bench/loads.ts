// The shapes of load: an open loop that nothing slows down, users who wait for their answer, and as fast as it goes.
import type { Driver } from "./driver.ts";
import { createPacer, pace } from "./pacer.ts";

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

/**
 * The public script's: users from `first` to `last`, added evenly over `forMs`; each posts, waits, sleeps, and again.
 * How exactly they wake is the pacer's.
 */
export function rampingUsers(
	first: number,
	last: number,
	forMs: number,
	pauseMs: number,
	openPacer: typeof createPacer = createPacer,
): Load {
	return async (driver, signal) => {
		const joining = new Set<ReturnType<typeof setTimeout>>();
		const over = Promise.withResolvers<void>();
		const end = (): void => over.resolve();
		const turn = (): void => {
			if (signal.aborted || performance.now() >= endMs) return;
			driver.post(performance.now(), true, () => pacer.add(performance.now() + pauseMs));
		};
		const pacer = await openPacer(last, turn);
		const endMs = performance.now() + forMs;
		for (let user = 0; user < last; user++) {
			const atMs = user < first ? 0 : ((user - first + 1) / (last - first)) * forMs;
			joining.add(
				setTimeout(() => {
					driver.connect(1);
					turn();
				}, atMs),
			);
		}
		const ending = setTimeout(end, forMs);
		signal.addEventListener("abort", end, { once: true });
		if (signal.aborted) end();
		await over.promise;
		clearTimeout(ending);
		for (const timer of joining) clearTimeout(timer);
		await pacer.close();
	};
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
