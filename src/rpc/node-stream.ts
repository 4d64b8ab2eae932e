// A stream of node:http2, as the code behind our own connections knows streams.
import { constants as h2, type ServerHttp2Stream } from "node:http2";
import type { Stream, StreamEvents } from "./h2/stream.ts";

export function fromNode(stream: ServerHttp2Stream): Stream {
	return {
		get writable() {
			return !stream.destroyed && !stream.writableEnded;
		},
		get closed() {
			return stream.destroyed || stream.closed;
		},
		answer(fields) {
			if (!stream.headersSent && !stream.destroyed) stream.respond(Object.fromEntries(fields));
		},
		write: (bytes) => stream.write(bytes),
		end(bytes) {
			stream.end(bytes, () => {
				// Its answer is whole: what the client would still send is of no use (RFC 9113, section 8.1).
				if (!stream.closed && !stream.readableEnded) stream.close(h2.NGHTTP2_NO_ERROR);
			});
		},
		hold: (held) => void (held ? stream.pause() : stream.resume()),
		// `close` would end the answer first, and where the client has ended its side that goes out as a good end.
		reset: (code) =>
			void stream.destroy(code === h2.NGHTTP2_NO_ERROR ? undefined : new Error("the answer cannot be completed")),
	};
}

export function hearNode(stream: ServerHttp2Stream, events: StreamEvents): void {
	stream.on("data", events.onData);
	stream.on("drain", events.onDrain);
	// One that was reset or cut says `end` as well, and only after it that it was aborted.
	stream.once("end", () =>
		setImmediate(() => {
			if (!stream.aborted) events.onEnd();
		}),
	);
	stream.once("close", () => events.onClose(stream.rstCode ?? h2.NGHTTP2_NO_ERROR, undefined));
}
