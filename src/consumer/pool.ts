// The pool of workers: each takes a task from a bounded channel, gives it a signal and a deadline, and sees it end.
//
// A task that does not end within a grace after its abort is abandoned: its worker goes on to the next, and the task is
// told so. However a task ends, `onFinish` is called, once.
import { ChurnSet } from "../churn.ts";
import type { Clock } from "../clock.ts";
import { createDeadlineWheel, type Timed } from "../rpc/deadline-wheel.ts";
import { createChannel } from "./channel.ts";

/** A piece of work. `run` should end soon after `signal` aborts. */
export interface Task {
	readonly id: string;
	/** From the moment that a worker takes it until its signal aborts; never earlier, and up to 200 ms later. */
	readonly deadlineMs: number;
	run(signal: AbortSignal): Promise<void>;
	onFinish(finish: Finish): void;
}

export type Finish =
	| { readonly how: "done" }
	| { readonly how: "failed"; readonly error: unknown }
	/** It ignored its abort; whatever it still does, nobody waits for it. */
	| { readonly how: "abandoned" };

/** The reason of an abort by the pool. */
export class Aborted extends Error {
	override readonly name = "Aborted";
}

export interface PoolOptions {
	readonly workersMax: number;
	/** How long a task may take to end after its abort, ms. */
	readonly graceMs: number;
	readonly clock: Clock;
	/** Told of an `onFinish` that throws: a mistake in the program. */
	readonly onError: (error: unknown) => void;
}

export interface Pool {
	/** Workers that wait for a task. */
	readonly free: number;
	/** Hands a task to a free worker; returns how to abort it. Throws where there is none: look at `free` first. */
	submit(task: Task): (reason: string) => void;
	/** Takes no more tasks; resolves when all have ended. After `boundMs` those that have not are aborted. */
	drain(boundMs: number): Promise<void>;
}

interface Entry extends Timed {
	readonly task: Task;
	readonly controller: AbortController;
	/** Set while it has been aborted, and may take its grace to end. */
	cancelGrace: (() => void) | undefined;
	finished: boolean;
}

/** Deadlines are looked at so often, ms; they are many seconds long. */
const tickMs = 100;

const done: Finish = { how: "done" };

export function createPool({ workersMax, graceMs, clock, onError }: PoolOptions): Pool {
	const channel = createChannel<Entry>(workersMax);
	const takes = channel[Symbol.asyncIterator]();
	const entries = new ChurnSet<Entry>();
	const wheel = createDeadlineWheel<Entry>(clock, tickMs, (entry) => abort(entry, "its deadline has passed"));
	const drained = Promise.withResolvers<void>();
	let closed = false;

	function abort(entry: Entry, reason: string): void {
		if (entry.finished || entry.controller.signal.aborted) return;
		wheel.remove(entry);
		entry.cancelGrace = clock.after(graceMs, () => finish(entry, { how: "abandoned" }));
		entry.controller.abort(new Aborted(reason));
	}

	/** A worker is ready. By callbacks: an async function that waits for the next entry keeps the last one alive meanwhile. */
	function takeNext(): void {
		void takes.next().then(carry);
	}

	function carry(next: IteratorResult<Entry, void>): void {
		if (next.done) return;
		const entry = next.value;
		const { task, controller } = entry;
		if (!controller.signal.aborted) wheel.add(entry, task.deadlineMs);
		runTask(task, controller.signal).then(
			() => finish(entry, done),
			(error: unknown) => finish(entry, { how: "failed", error }),
		);
	}

	function finish(entry: Entry, how: Finish): void {
		if (entry.finished) return;
		entry.finished = true;
		entry.cancelGrace?.();
		wheel.remove(entry);
		entries.delete(entry);
		if (entries.size === 0) wheel.stop();
		try {
			entry.task.onFinish(how);
		} catch (error) {
			onError(error);
		}
		if (closed && entries.size === 0) drained.resolve();
		takeNext();
	}

	for (let i = 0; i < workersMax; i++) takeNext();

	return {
		get free() {
			return closed ? 0 : workersMax - entries.size;
		},
		submit(task) {
			if (closed || entries.size >= workersMax) throw new Error("no worker is free");
			const entry: Entry = {
				dueTick: 0,
				before: undefined,
				after: undefined,
				task,
				controller: new AbortController(),
				cancelGrace: undefined,
				finished: false,
			};
			entries.add(entry);
			channel.offer(entry);
			return (reason) => abort(entry, reason);
		},
		async drain(boundMs) {
			closed = true;
			channel.close();
			if (entries.size === 0) return;
			const cancel = clock.after(boundMs, () => {
				for (const entry of entries) abort(entry, "the consumer stops");
			});
			await drained.promise;
			cancel();
		},
	};
}

/** Whatever it throws, at once or later, comes as a rejection. */
function runTask(task: Task, signal: AbortSignal): Promise<void> {
	try {
		return task.run(signal);
	} catch (error) {
		return Promise.reject(error);
	}
}
