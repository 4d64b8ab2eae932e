// Messages of a stream between whoever brings them and the one reader that takes them, by asking or as they come.
import { type Flow, type Flowing, flowTo, type Receiver } from "./flow.ts";

export interface Inbox<T> extends Flowing<T> {
	push(message: T): void;
	/** No more will come; what is in it is still read. */
	end(): void;
	/** The reader gets what is in it, then this error. */
	fail(error: unknown): void;
}

export interface InboxOptions {
	/** So many messages that wait hold the source up. */
	readonly waitingMax: number;
	readonly hold: (held: boolean) => void;
	/** The reader wants no more. */
	readonly onLeft: () => void;
}

export function createInbox<T>({ waitingMax, hold, onLeft }: InboxOptions): Inbox<T> {
	type Next = IteratorResult<T, undefined>;
	const done: Next = { done: true, value: undefined };
	const waiting: T[] = [];
	/** Takes what comes, unless it asks to be spared. */
	let receiver: Receiver<T> | undefined;
	let spared = false;
	/** Asked for the next one. */
	let reader: { readonly resolve: (next: Next) => void; readonly reject: (error: unknown) => void } | undefined;
	let held = false;
	let ending: { readonly error?: unknown } | undefined;
	let left = false;

	function push(message: T): void {
		if (ending) return;
		if (receiver && !spared && waiting.length === 0) give(message);
		else if (reader) {
			const { resolve } = reader;
			reader = undefined;
			resolve({ done: false, value: message });
		} else if (waiting.push(message) >= waitingMax && !held) {
			held = true;
			hold(true);
		}
	}

	function give(message: T): void {
		try {
			receiver!.onMessage(message);
		} catch (error) {
			const failed = receiver;
			leave();
			failed?.onError(error);
		}
	}

	function finish(how: { readonly error?: unknown }): void {
		if (ending) return;
		ending = how;
		if (receiver) flow();
		else if (reader) {
			if ("error" in how) reader.reject(how.error);
			else reader.resolve(done);
			reader = undefined;
		}
	}

	/** What waits goes to the receiver, and then how it ended. */
	function flow(): void {
		while (waiting.length > 0 && receiver && !spared) give(waiting.shift() as T);
		if (waiting.length > 0) return;
		goOn();
		if (!ending || !receiver || spared) return;
		const told = receiver;
		receiver = undefined;
		if ("error" in ending) told.onError(ending.error);
		else told.onEnd();
	}

	function goOn(): void {
		if (!held) return;
		held = false;
		hold(false);
	}

	function take(): Promise<Next> {
		if (waiting.length > 0) {
			const value = waiting.shift() as T;
			if (waiting.length === 0) goOn();
			return Promise.resolve({ done: false, value });
		}
		if (ending && "error" in ending) {
			const { error } = ending;
			// An iterator fails once.
			ending = {};
			return Promise.reject(error);
		}
		if (ending) return Promise.resolve(done);
		if (reader) return Promise.reject(new Error("the message before has not been waited for"));
		return new Promise((resolve, reject) => {
			reader = { resolve, reject };
		});
	}

	function leave(): void {
		if (left) return;
		left = true;
		receiver = undefined;
		waiting.length = 0;
		finish({});
		onLeft();
	}

	const iterator: AsyncIterator<T, undefined> = {
		next: take,
		return() {
			leave();
			return Promise.resolve(done);
		},
		throw(error) {
			leave();
			return Promise.reject(error);
		},
	};
	return {
		push,
		end: () => finish({}),
		fail: (error) => finish({ error }),
		[Symbol.asyncIterator]: () => iterator,
		[flowTo](given): Flow {
			receiver = given;
			flow();
			return {
				hold(now) {
					spared = now;
					if (!spared) flow();
				},
				leave,
			};
		},
	};
}
