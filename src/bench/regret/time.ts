// Simulated time: what is due runs in the order of time, and the clock jumps from one moment to the next.
import { type Clock, createClock } from "../../clock.ts";

export interface SimulatedTime {
	readonly clock: Clock;
	nowMs(): number;
	/** Runs the task at a moment that is not past; what is due at the same moment runs in the order in which it was set. */
	at(ms: number, task: () => void): void;
	/** Runs what is due until `untilMs`. */
	run(untilMs: number): void;
	/** The same, and after each task what it left to microtasks. */
	runSettling(untilMs: number): Promise<void>;
}

export function createSimulatedTime(): SimulatedTime {
	const heap = createHeap();
	let nowMs = 0;

	function next(untilMs: number): (() => void) | undefined {
		const dueMs = heap.firstMs();
		if (dueMs > untilMs) return undefined;
		nowMs = dueMs;
		return heap.take();
	}

	return {
		clock: createClock({
			now: () => nowMs,
			monotonic: () => nowMs,
			after(ms, task) {
				let cancelled = false;
				heap.add(nowMs + Math.max(0, ms), () => {
					if (!cancelled) task();
				});
				return () => {
					cancelled = true;
				};
			},
		}),
		nowMs: () => nowMs,
		at: (ms, task) => heap.add(ms, task),
		run(untilMs) {
			for (let task = next(untilMs); task; task = next(untilMs)) task();
		},
		async runSettling(untilMs) {
			for (let task = next(untilMs); task; task = next(untilMs)) {
				task();
				await undefined;
			}
		},
	};
}

interface Heap {
	add(ms: number, task: () => void): void;
	/** Infinite when empty. */
	firstMs(): number;
	take(): () => void;
}

/** A binary heap by moment, then by turn, in plain arrays of numbers beside the tasks. */
function createHeap(): Heap {
	const moments: number[] = [];
	const turns: number[] = [];
	const tasks: (() => void)[] = [];
	let turn = 0;

	function put(at: number, ms: number, ownTurn: number, task: () => void): void {
		moments[at] = ms;
		turns[at] = ownTurn;
		tasks[at] = task;
	}

	function move(from: number, to: number): void {
		put(to, moments[from]!, turns[from]!, tasks[from]!);
	}

	function before(i: number, ms: number, ownTurn: number): boolean {
		return moments[i]! < ms || (moments[i]! === ms && turns[i]! < ownTurn);
	}

	return {
		add(ms, task) {
			const ownTurn = turn++;
			let at = moments.length;
			while (at > 0) {
				const parent = (at - 1) >> 1;
				if (before(parent, ms, ownTurn)) break;
				move(parent, at);
				at = parent;
			}
			put(at, ms, ownTurn, task);
		},
		firstMs: () => moments[0] ?? Number.POSITIVE_INFINITY,
		take() {
			const first = tasks[0]!;
			const ms = moments.pop()!;
			const ownTurn = turns.pop()!;
			const task = tasks.pop()!;
			const size = moments.length;
			if (size === 0) return first;
			let at = 0;
			for (;;) {
				let child = 2 * at + 1;
				if (child >= size) break;
				if (child + 1 < size && before(child + 1, moments[child]!, turns[child]!)) child++;
				if (!before(child, ms, ownTurn)) break;
				move(child, at);
				at = child;
			}
			put(at, ms, ownTurn, task);
			return first;
		},
	};
}
