// Writes a stream's messages as frames, as they come, while the other side takes them.
import type { Writable } from "node:stream";
import { encodeFrame } from "./frames.ts";

/** Resolves when there are no more messages, or the stream is closed; rejects where one cannot be had or encoded. */
export async function pumpFrames<T>(
	messages: AsyncIterable<T>,
	serialize: (message: T) => Uint8Array,
	stream: Writable,
): Promise<void> {
	const it = messages[Symbol.asyncIterator]();
	for (;;) {
		const next = await it.next();
		if (next.done) return;
		if (!isOpen(stream)) break;
		if (!stream.write(encodeFrame(0, serialize(next.value)))) await drained(stream);
	}
	await it.return?.();
}

export function isOpen(stream: Writable): boolean {
	return !stream.destroyed && !stream.writableEnded;
}

function drained(stream: Writable): Promise<void> {
	return new Promise((resolve) => {
		const go = (): void => {
			stream.off("drain", go);
			stream.off("close", go);
			resolve();
		};
		stream.on("drain", go);
		stream.on("close", go);
	});
}
