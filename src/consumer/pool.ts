// The pool of workers: each takes a task from a bounded channel, gives it a signal and a deadline, and sees it end.
//
// A task that does not end within a grace after its abort is abandoned: its worker goes on to the next, and the task is
// told so. However a task ends, `onFinish` is called, once.
import { ChurnSet } from "../churn.ts";
import type { Clock } from "../clock.ts";
import { createChannel } from "./channel.ts";

/** A piece of work. `run` should end soon after `signal` aborts. */
export interface Task {
	readonly id: string;
	/** From the moment that a worker takes it until its signal aborts. */
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

interface Entry {
	readonly task: Task;
	readonly controller: AbortController;
	cancelTimer: (() => void) | undefined;
	finish: (finish: Finish) => void;
	finished: boolean;
}

export function createPool({ workersMax, graceMs, clock, onError }: PoolOptions): Pool {
	const channel = createChannel<Entry>(workersMax);
	const entries = new ChurnSet<Entry>();
	const drained = Promise.withResolvers<void>();
	let closed = false;

	function abort(entry: Entry, reason: string): void {
		if (entry.finished || entry.controller.signal.aborted) return;
		entry.cancelTimer?.();
		entry.cancelTimer = clock.after(graceMs, () => entry.finish({ how: "abandoned" }));
		entry.controller.abort(new Aborted(reason));
	}

	function carry(entry: Entry): Promise<void> {
		const { task, controller } = entry;
		return new Promise((resolve) => {
			// By its name: churn.ts tells why.
			const onEnd = (finish: Finish): void => {
				if (entry.finished) return;
				entry.finished = true;
				entry.cancelTimer?.();
				entries.delete(entry);
				try {
					task.onFinish(finish);
				} catch (error) {
					onError(error);
				}
				if (closed && entries.size === 0) drained.resolve();
				resolve();
			};
			entry.finish = onEnd;
			entry.cancelTimer ??= clock.after(task.deadlineMs, () => abort(entry, "its deadline has passed"));
			runTask(task, controller.signal).then(
				() => entry.finish({ how: "done" }),
				(error: unknown) => entry.finish({ how: "failed", error }),
			);
		});
	}

	async function worker(): Promise<void> {
		for await (const entry of channel) await carry(entry);
	}
	for (let i = 0; i < workersMax; i++) void worker().catch(onError);

	return {
		get free() {
			return closed ? 0 : workersMax - entries.size;
		},
		submit(task) {
			if (closed || entries.size >= workersMax) throw new Error("no worker is free");
			const entry: Entry = {
				task,
				controller: new AbortController(),
				cancelTimer: undefined,
				finish: () => {},
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
async function runTask(task: Task, signal: AbortSignal): Promise<void> {
	return task.run(signal);
}
