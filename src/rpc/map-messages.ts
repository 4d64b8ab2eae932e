// Looks at each message of a stream as it passes: a thin layer over its source, which stays as flowing as it was.
import { type Flowing, flowTo, isFlowing } from "./flow.ts";

/** `onMessage` may throw, which ends the stream; `onError` gives the error to go on with. */
export function mapMessages<T>(
	messages: AsyncIterable<T>,
	onMessage: (message: T) => void,
	onError?: (error: unknown) => unknown,
): AsyncIterable<T> {
	const asked = asking(messages, onMessage, onError);
	if (!isFlowing(messages)) return asked;
	const flowing: Flowing<T> = {
		...asked,
		[flowTo]: (receiver) =>
			messages[flowTo]({
				onMessage(message) {
					onMessage(message);
					receiver.onMessage(message);
				},
				onEnd: () => receiver.onEnd(),
				onError: (error) => receiver.onError(onError ? onError(error) : error),
			}),
	};
	return flowing;
}

function asking<T>(
	messages: AsyncIterable<T>,
	onMessage: (message: T) => void,
	onError: ((error: unknown) => unknown) | undefined,
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
