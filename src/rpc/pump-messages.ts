// Writes a stream's messages as envelopes, as they come, while the other side takes them.
import { receive } from "./flow.ts";
import type { Stream } from "./h2/stream.ts";

export interface Pump {
	/** Resolves when there are no more messages, or the stream has closed; rejects where one cannot be had or encoded. */
	readonly done: Promise<void>;
	/** To be called when the stream takes more again. */
	goOn(): void;
	/** To be called when the stream has closed. */
	stop(): void;
}

export function pumpMessages<T>(messages: AsyncIterable<T>, encode: (message: T) => Buffer, stream: Stream): Pump {
	const { promise, resolve, reject } = Promise.withResolvers<void>();
	let full = false;
	let hold = (): void => {};
	const flow = receive(messages, {
		onMessage(message) {
			if (stream.write(encode(message))) return;
			full = true;
			hold();
		},
		onEnd: resolve,
		onError: reject,
	});
	hold = () => flow.hold(true);
	// What waited already has come before there was a flow to hold.
	if (full) hold();
	return {
		done: promise,
		goOn() {
			full = false;
			flow.hold(false);
		},
		stop() {
			flow.leave();
			resolve();
		},
	};
}
