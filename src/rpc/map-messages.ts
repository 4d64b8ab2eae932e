// Looks at each message of a stream as it passes: a thin layer over its iterator, one promise a message.

/** `onMessage` may throw, which ends the stream; `onError` gives the error to go on with. */
export function mapMessages<T>(
	messages: AsyncIterable<T>,
	onMessage: (message: T) => void,
	onError?: (error: unknown) => unknown,
): AsyncIterable<T> {
	const rejected = onError && ((error: unknown) => Promise.reject(onError(error)));
	const check = (next: IteratorResult<T>): IteratorResult<T> => {
		if (!next.done) onMessage(next.value);
		return next;
	};
	return {
		[Symbol.asyncIterator]() {
			const it = messages[Symbol.asyncIterator]();
			const wrapped: AsyncIterator<T> = { next: () => it.next().then(check, rejected) };
			// Who cancels calls these; where the source lacks them, so must the layer.
			if (it.return) wrapped.return = (value) => it.return!(value);
			if (it.throw) wrapped.throw = (error) => it.throw!(error);
			return wrapped;
		},
	};
}
