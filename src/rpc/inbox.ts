// Messages of a stream between the socket that brings them and the one reader that takes them: one promise a message.

export interface Inbox<T> extends AsyncIterable<T> {
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
	let reader: { readonly resolve: (next: Next) => void; readonly reject: (error: unknown) => void } | undefined;
	let held = false;
	let ending: { readonly error?: unknown } | undefined;

	function finish(how: { readonly error?: unknown }): void {
		if (ending) return;
		ending = how;
		if (!reader) return;
		if ("error" in how) reader.reject(how.error);
		else reader.resolve(done);
		reader = undefined;
	}

	function take(): Promise<Next> {
		if (waiting.length > 0) {
			const value = waiting.shift() as T;
			if (held && waiting.length === 0) {
				held = false;
				hold(false);
			}
			return Promise.resolve({ done: false, value });
		}
		if (ending && "error" in ending) {
			const { error } = ending;
			// An iterator fails once.
			ending = {};
			return Promise.reject(error);
		}
		if (ending) return Promise.resolve(done);
		return new Promise((resolve, reject) => {
			reader = { resolve, reject };
		});
	}

	function leave(): void {
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
		push(message) {
			if (ending) return;
			if (reader) {
				const { resolve } = reader;
				reader = undefined;
				resolve({ done: false, value: message });
				return;
			}
			if (waiting.push(message) < waitingMax || held) return;
			held = true;
			hold(true);
		},
		end: () => finish({}),
		fail: (error) => finish({ error }),
		[Symbol.asyncIterator]: () => iterator,
	};
}
