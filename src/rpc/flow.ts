// Messages of a stream that are handed over as they come, without a promise each, where source and receiver both can.
//
// An async iterable is asked for each message; on the hot paths, where each process is woken for one message, the promises
// of that cost as much as the message. A flowing one is an async iterable for whoever knows no better, and hands its
// messages to a receiver that is given to it.

export interface Receiver<T> {
	/** What it throws ends the flow, and comes back as `onError`. */
	readonly onMessage: (message: T) => void;
	/** No more will come. */
	readonly onEnd: () => void;
	/** No more will come, and why. */
	readonly onError: (error: unknown) => void;
}

export interface Flow {
	/** While held, nothing comes. */
	hold(held: boolean): void;
	/** The receiver wants no more, and hears no more. */
	leave(): void;
}

export const flowTo = Symbol("flowTo");

export interface Flowing<T> extends AsyncIterable<T> {
	/** To be called once, and instead of asking. */
	[flowTo](receiver: Receiver<T>): Flow;
}

export function isFlowing<T>(messages: AsyncIterable<T>): messages is Flowing<T> {
	return flowTo in messages;
}

/** Hands over what comes; a source that can only be asked is asked. */
export function receive<T>(messages: AsyncIterable<T>, receiver: Receiver<T>): Flow {
	return isFlowing(messages) ? messages[flowTo](receiver) : ask(messages[Symbol.asyncIterator](), receiver);
}

function ask<T>(it: AsyncIterator<T>, receiver: Receiver<T>): Flow {
	let held = false;
	let asked = false;
	let over = false;

	function next(): void {
		if (held || asked || over) return;
		asked = true;
		try {
			it.next().then(answered, fail);
		} catch (error) {
			fail(error);
		}
	}

	function answered(result: IteratorResult<T>): void {
		asked = false;
		if (over) return;
		if (result.done) {
			over = true;
			receiver.onEnd();
			return;
		}
		try {
			receiver.onMessage(result.value);
		} catch (error) {
			leave();
			receiver.onError(error);
		}
		next();
	}

	function fail(error: unknown): void {
		if (over) return;
		over = true;
		receiver.onError(error);
	}

	function leave(): void {
		if (over) return;
		over = true;
		// Nobody is left to be told that a source fails while it is left.
		it.return?.().then(undefined, () => {});
	}

	next();
	return {
		hold(now) {
			held = now;
			next();
		},
		leave,
	};
}
