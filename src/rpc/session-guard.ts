// Guards a client's HTTP/2 sessions against ends that connect-es does not handle: one would end the process, one hangs calls,
// and after the client's own it would begin anew.
import { type ClientHttp2Session, type ClientHttp2Stream, constants as h2 } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Http2SessionManager } from "@connectrpc/connect-node";

interface SessionManager extends Pick<Http2SessionManager, "authority" | "request" | "notifyResponseByteRead"> {
	/** Cuts what is open; calls fail from then on. */
	close(): void;
}

/**
 * A session that is destroyed with an error reports it only once its socket has closed. When GOAWAY came on an idle
 * connection and a call was made before that, the manager no longer listens, and the error would end the process
 * (connect-es #1768). A listener of our own stays on each session; what it hears the manager has heard or does not need.
 */
export function guardSessions(manager: Http2SessionManager): SessionManager {
	const heard = new WeakSet<ClientHttp2Session>();
	let closed = false;
	return {
		authority: manager.authority,
		async request(...call: Parameters<Http2SessionManager["request"]>) {
			if (closed) throw new ConnectError("the client is closed", Code.Unavailable);
			const stream = await manager.request(...call);
			const { session } = stream;
			if (session && !heard.has(session as ClientHttp2Session)) {
				heard.add(session as ClientHttp2Session);
				session.on("error", () => {});
			}
			failUnanswered(stream);
			return stream;
		},
		notifyResponseByteRead: manager.notifyResponseByteRead.bind(manager),
		close() {
			closed = true;
			manager.abort();
		},
	};
}

/** A stream that a dying session closes without an error before its answer has begun would leave its call waiting for ever. */
function failUnanswered(stream: ClientHttp2Stream): void {
	let answered = false;
	stream.once("response", () => {
		answered = true;
	});
	stream.once("close", () => {
		if (answered || stream.rstCode !== h2.NGHTTP2_NO_ERROR || stream.listenerCount("error") === 0) return;
		stream.emit("error", Object.assign(new Error("the connection ended before an answer"), { code: "ECONNRESET" }));
	});
}
