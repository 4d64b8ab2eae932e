// One keep-alive connection that posts JSON, one request at a time, with as little work for each as there can be: what
// loads a relay runs on the CPUs that it measures. It reads an answer's status, and of the rest only where it ends.
import { connect, type Socket } from "node:net";

export interface PostConnection {
	/** Sends the next request; the one before has ended. */
	send(body: string): void;
	/** Ends the connection, and the request that has no answer yet for this reason. The next request opens another one. */
	cut(why: string): void;
}

/** Each request ends with one of these. */
export interface PostEnds {
	answered(status: number): void;
	/** `why`: one word, such as an error's code. */
	broken(why: string): void;
}

/** How an answer's body ends. */
type Body = { readonly length: number } | "chunked" | "closed";

const headMax = 65_536;
/** A connection that was idle for longer is opened anew, where the server does not say how long it keeps them, ms. */
const idleMaxMs = 60_000;
/** The server closes them a little sooner than it says, as seen from here, ms. */
const idleMarginMs = 1_000;
const headEnd = "\r\n\r\n";

/** `url`: of plain HTTP, without a query. */
export function openPostConnection(url: URL, ends: PostEnds): PostConnection {
	const { protocol, hostname, port, host, pathname } = url;
	if (protocol !== "http:") throw new Error(`the load goes over plain HTTP, not to ${url.origin}`);
	const head = `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: `;
	const target = { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80), noDelay: true };
	let socket: Socket | undefined;
	let waits = false;
	let received: Buffer | undefined;
	let idleUntilMs = 0;

	function open(): Socket {
		const opened = connect(target);
		opened.on("data", (bytes) => {
			if (opened !== socket) return;
			// What nobody asked for is no answer to the next request.
			if (waits) take(received ? Buffer.concat([received, bytes]) : bytes);
			else drop();
		});
		opened.once("error", (error) => {
			if (opened === socket) cut(nameOf(error));
		});
		opened.once("close", () => {
			if (opened === socket) closed();
		});
		return opened;
	}

	function closed(): void {
		const answer = received && readHead(received);
		if (answer?.body !== "closed") {
			cut("closed");
			return;
		}
		// An answer without a length ends with its connection.
		drop();
		end(() => ends.answered(answer.status));
	}

	function drop(): void {
		const dropped = socket;
		socket = undefined;
		received = undefined;
		dropped?.destroy();
	}

	function end(tell: () => void): void {
		waits = false;
		tell();
	}

	/** All of the answer that has come so far. */
	function take(bytes: Buffer): void {
		let answer = readHead(bytes);
		while (answer && answer.status < 200) {
			bytes = bytes.subarray(answer.headLength);
			answer = readHead(bytes);
		}
		received = bytes;
		if (!answer) {
			if (bytes.length > headMax) cut("head");
			return;
		}
		const { status, headLength, body, idleMs } = answer;
		const length = headLength + bodyLength(bytes, headLength, body);
		if (Number.isNaN(status) || Number.isNaN(length)) {
			cut("malformed");
			return;
		}
		if (!(bytes.length >= length)) return;
		received = undefined;
		idleUntilMs = performance.now() + idleMs;
		if (idleMs <= 0 || bytes.length > length) drop();
		end(() => ends.answered(status));
	}

	function cut(why: string): void {
		drop();
		if (waits) end(() => ends.broken(why));
	}

	return {
		send(body) {
			if (waits) throw new Error("the request before has not ended");
			waits = true;
			if (socket && performance.now() > idleUntilMs) drop();
			socket ??= open();
			socket.write(`${head}${Buffer.byteLength(body)}${headEnd}${body}`);
		},
		cut,
	};
}

interface Head {
	readonly status: number;
	readonly headLength: number;
	readonly body: Body;
	/** How long the connection may be used after it; 0: not at all. */
	readonly idleMs: number;
}

/** Undefined where it has not all come. */
function readHead(bytes: Buffer): Head | undefined {
	const at = bytes.indexOf(headEnd);
	if (at < 0) return undefined;
	const text = bytes.toString("latin1", 0, at);
	const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |\r|$)/.exec(text)?.[1]);
	const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
	const kept = /\r\nkeep-alive:[^\r]*timeout=(\d+)/i.exec(text)?.[1];
	const closes = /\r\nconnection: *close/i.test(text) || text.startsWith("HTTP/1.0");
	return {
		status,
		headLength: at + headEnd.length,
		body: bodyOf(status, length, text),
		idleMs: closes ? 0 : kept === undefined ? idleMaxMs : Number(kept) * 1000 - idleMarginMs,
	};
}

function bodyOf(status: number, length: string | undefined, text: string): Body {
	if (status < 200 || status === 204 || status === 304) return { length: 0 };
	if (/\r\ntransfer-encoding: *chunked/i.test(text)) return "chunked";
	return length === undefined ? "closed" : { length: Number(length) };
}

/** Infinite where its end has not come, not a number where it has none. */
function bodyLength(bytes: Buffer, from: number, body: Body): number {
	if (body === "closed") return Number.POSITIVE_INFINITY;
	if (body !== "chunked") return body.length;
	for (let at = from; ; ) {
		const line = bytes.indexOf("\r\n", at);
		if (line < 0) return Number.POSITIVE_INFINITY;
		const size = Number.parseInt(bytes.toString("latin1", at, line), 16);
		if (Number.isNaN(size)) return size;
		if (size === 0) {
			// Trailers may follow; what ends them is an empty line.
			const last = bytes.indexOf(headEnd, line);
			return last < 0 ? Number.POSITIVE_INFINITY : last + headEnd.length - from;
		}
		at = line + 2 + size + 2;
	}
}

function nameOf(error: Error & { code?: unknown }): string {
	return typeof error.code === "string" ? error.code : error.name;
}
