// Simulated time: events in order, processes that can be killed and stopped between any two of them, and a trace.
//
// Nothing here waits: time jumps from event to event. Code under test that works with promises is given the turn of the
// real event loop that it needs before the next event (`touch`), so that a schedule depends on its seed alone.
import { setImmediate as turn } from "node:timers/promises";
import { type Clock, createClock } from "../../src/clock.ts";
import { createPrng, type Prng } from "../prng.ts";

/** The wall clock at the start of every schedule, ms. */
export const startMs = 1_800_000_000_000;

export interface World {
	readonly prng: Prng;
	/** ms since the start of the schedule. */
	readonly nowMs: number;
	/** False once the faults have healed. */
	chaos: boolean;
	/** Events still to come that are not periodic. */
	readonly pending: number;
	/** Runs the task after `ms`; returns how to stop that. A periodic one does not keep the schedule going. */
	after(ms: number, task: () => void, periodic?: boolean): () => void;
	/** Says that promises were set off by this event. */
	touch(): void;
	/** A line of the trace; the text is made only where a trace is kept. */
	note(text: () => string): void;
	readonly trace: readonly string[];
	/** The first breach of an invariant ends the schedule. */
	fail(breach: string): void;
	readonly breach: string | undefined;
	/** Runs events until `done`, or the time is over, or nothing is left, or an invariant is breached. */
	run(untilMs: number, done?: () => boolean): Promise<void>;
}

interface Event {
	readonly atMs: number;
	readonly order: number;
	readonly periodic: boolean;
	task: (() => void) | undefined;
}

export function createWorld(seed: number, traced: boolean): World {
	const heap: Event[] = [];
	const trace: string[] = [];
	let nowMs = 0;
	let order = 0;
	let pending = 0;
	let touched = false;
	let breach: string | undefined;

	const before = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
	function push(event: Event): void {
		let at = heap.push(event) - 1;
		while (at > 0) {
			const parent = (at - 1) >> 1;
			if (before(heap[parent]!, event)) break;
			heap[at] = heap[parent]!;
			at = parent;
		}
		heap[at] = event;
	}
	function shift(): Event {
		const first = heap[0]!;
		const last = heap.pop()!;
		if (heap.length === 0) return first;
		let at = 0;
		for (;;) {
			let child = 2 * at + 1;
			if (child >= heap.length) break;
			if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
			if (before(last, heap[child]!)) break;
			heap[at] = heap[child]!;
			at = child;
		}
		heap[at] = last;
		return first;
	}

	return {
		prng: createPrng(seed),
		chaos: true,
		trace,
		get nowMs() {
			return nowMs;
		},
		get pending() {
			return pending;
		},
		get breach() {
			return breach;
		},
		after(ms, task, periodic = false) {
			const event: Event = { atMs: nowMs + Math.max(0, ms), order: order++, periodic, task };
			if (!periodic) pending++;
			push(event);
			return () => {
				if (event.task && !periodic) pending--;
				event.task = undefined;
			};
		},
		touch() {
			touched = true;
		},
		note(text) {
			if (traced) trace.push(`${nowMs.toFixed(2).padStart(10)} ${text()}`);
		},
		fail(found) {
			breach ??= found;
		},
		async run(untilMs, done) {
			while (heap.length > 0 && !breach) {
				if (heap[0]!.atMs > untilMs) {
					nowMs = untilMs;
					return;
				}
				const event = shift();
				const { task } = event;
				if (!task) continue;
				nowMs = event.atMs;
				event.task = undefined;
				if (!event.periodic) pending--;
				task();
				if (touched) {
					touched = false;
					await turn();
				}
				if (done?.()) return;
			}
		},
	};
}

/** A process: what it has under way ends when it is killed, and waits while it is stopped. */
export interface Process {
	readonly up: boolean;
	readonly stopped: boolean;
	/** Begins a new life. */
	start(): void;
	kill(): void;
	stop(): void;
	resume(): void;
	/** Runs the task now if this life goes on; when it goes on again, if it is stopped; never, if it has ended. */
	bind<A extends unknown[]>(task: (...args: A) => void): (...args: A) => void;
	/** Runs the task if this life goes on, stopped or not. */
	bindToLife(task: () => void): () => void;
	after(ms: number, task: () => void, periodic?: boolean): () => void;
	/** A clock that ends with this life; its wall clock can be set. */
	clock(): Clock;
	wallOffsetMs: number;
}

export function createProcess(world: World): Process {
	let life = 0;
	let up = false;
	let stopped = false;
	let backlog: (() => void)[] = [];

	function bind<A extends unknown[]>(task: (...args: A) => void): (...args: A) => void {
		const own = life;
		const run = (...args: A): void => {
			if (life !== own || !up) return;
			if (stopped) backlog.push(() => run(...args));
			else task(...args);
		};
		return run;
	}
	const after = (ms: number, task: () => void, periodic?: boolean) => world.after(ms, bind(task), periodic);

	const self: Process = {
		wallOffsetMs: 0,
		get up() {
			return up;
		},
		get stopped() {
			return stopped;
		},
		start() {
			life++;
			up = true;
			stopped = false;
			backlog = [];
		},
		kill() {
			life++;
			up = false;
			stopped = false;
			backlog = [];
		},
		stop() {
			stopped = up;
		},
		resume() {
			stopped = false;
			// What came in meanwhile is read one by one, in any order: other things happen in between.
			for (const task of backlog.splice(0)) world.after(world.prng.between(0, 0.5), task);
		},
		bind,
		bindToLife(task) {
			const own = life;
			return () => {
				if (life === own && up) task();
			};
		},
		after,
		clock() {
			const originMs = world.nowMs - world.prng.between(0, 1e6);
			return createClock({
				now: () => startMs + world.nowMs + self.wallOffsetMs,
				monotonic: () => world.nowMs - originMs,
				after: (ms, task) => {
					let cancelled = false;
					const cancel = after(
						ms,
						() => {
							if (cancelled) return;
							world.touch();
							task();
						},
						true,
					);
					return () => {
						cancelled = true;
						cancel();
					};
				},
			});
		},
	};
	return self;
}
