// A clock that stands still until a test advances it: timers fire in order, and what they set off settles in between.
import { type Clock, createClock } from "../src/clock.ts";

export interface FakeClock extends Clock {
	/** Moves time on by `ms`, firing what falls due in order; resolves once everything set off by it has settled. */
	advance(ms: number): Promise<void>;
	/** Resolves once what is ready to run has run, without moving time. */
	settle(): Promise<void>;
	/** Lets the wall clock jump, as an operator or NTP does; timers and `monotonic` do not notice. */
	jump(ms: number): void;
	/** How many timers wait: zero after a test means that nothing was left behind. */
	pending(): number;
}

interface Timer {
	readonly dueMs: number;
	readonly task: () => void;
}

/** `startMs`: the wall clock at the start; by default a fixed moment in July 2025. */
export function createFakeClock(startMs: number = Date.UTC(2025, 6, 15, 12, 0, 0)): FakeClock {
	let elapsedMs = 0;
	let jumpedMs = 0;
	const timers = new Set<Timer>();

	const clock = createClock({
		now: () => startMs + jumpedMs + elapsedMs,
		monotonic: () => elapsedMs,
		after(ms, task) {
			const timer: Timer = { dueMs: elapsedMs + Math.max(0, ms), task };
			timers.add(timer);
			return () => void timers.delete(timer);
		},
	});

	return {
		...clock,
		async advance(ms) {
			const untilMs = elapsedMs + ms;
			await settle();
			for (let timer = next(timers, untilMs); timer; timer = next(timers, untilMs)) {
				timers.delete(timer);
				elapsedMs = timer.dueMs;
				timer.task();
				await settle();
			}
			elapsedMs = untilMs;
		},
		settle,
		jump(ms) {
			jumpedMs += ms;
		},
		pending: () => timers.size,
	};
}

/** The earliest timer that is due by then; among equals the one set first, which is a `Set`'s own order. */
function next(timers: Set<Timer>, untilMs: number): Timer | undefined {
	let first: Timer | undefined;
	for (const timer of timers) if (timer.dueMs <= untilMs && (!first || timer.dueMs < first.dueMs)) first = timer;
	return first;
}

/** The runtime's immediates run after all microtasks, however many promises are chained. */
function settle(): Promise<void> {
	return new Promise((resolve) => setImmediate(resolve));
}
