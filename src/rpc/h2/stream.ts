// One stream of an HTTP/2 connection: what waits to be sent within the peer's windows, and what the peer is granted.
import { constants as h2 } from "node:http2";
import { encodeFrame, encodeNumbers, flag, payloadMaxBytes, type } from "./frame.ts";
import type { Field } from "./hpack.ts";

/** What is heard of a stream. None of them may throw. */
export interface StreamEvents {
	/** A client's: the head of the answer. */
	onHead(fields: readonly Field[]): void;
	onData(chunk: Buffer): void;
	/** The peer sends no more. */
	onEnd(): void;
	/** What could not be sent at once has been. */
	onDrain(): void;
	/** Once, and last: by both ends, by either's reset (RFC 9113, section 7), or with the connection, and then why. */
	onClose(code: number, error: Error | undefined): void;
}

export interface Stream {
	/** It is open, and its end was not sent. */
	readonly writable: boolean;
	readonly closed: boolean;
	/** A server's: the head of the answer, once. */
	answer(fields: readonly Field[]): void;
	/** False where it could not be sent at once: more should wait for `onDrain`. */
	write(bytes: Uint8Array): boolean;
	end(bytes?: Uint8Array): void;
	/** While held, the peer is granted no more than it was. */
	hold(held: boolean): void;
	reset(code: number): void;
}

/** The connection's hold on a stream. */
export interface StreamPart {
	readonly stream: Stream;
	/** The peer has said that it sends no more. */
	readonly peerEnded: boolean;
	/** Who hears of the stream; nobody does until then. */
	hear(events: StreamEvents): void;
	head(fields: readonly Field[]): void;
	/** Takes a payload for which the peer counts `length`; false where that is more than it was granted. */
	receive(payload: Buffer, length: number): boolean;
	receiveEnd(): void;
	/** Adds to what may be sent; false where that is more than a window can be. */
	widen(by: number): boolean;
	/** Sends what waits, as far as it may be. */
	push(): void;
	close(code: number, error?: Error): void;
}

/** What a stream needs of its connection. */
export interface StreamLink {
	send(frame: Buffer): void;
	/** False, and nothing is sent, where they are more than fits into a frame. */
	sendHead(fields: readonly Field[]): boolean;
	/** Bytes that may be sent now. */
	room(): number;
	/** So many of them were. */
	used(bytes: number): void;
	/** Something waits: `push` is to be called when there is room. */
	waits(): void;
	/** So much of what came has been taken. */
	taken(bytes: number): void;
	closed(): void;
}

/** Section 6.9.1. */
export const windowMax = 2 ** 31 - 1;
const nothing = new Uint8Array();

export const nobody: StreamEvents = { onHead() {}, onData() {}, onEnd() {}, onDrain() {}, onClose() {} };

export function createStream(
	id: number,
	side: "client" | "server",
	link: StreamLink,
	sendWindow: number,
	windowBytes: number,
): StreamPart {
	let events = nobody;
	const pending: Uint8Array[] = [];
	let mayWait = false;
	let ending = false;
	let ended = false;
	let peerEnded = false;
	let closed = false;
	let held = false;
	/** What the peer may still send, what it sent while held, and what was taken but not granted anew. */
	let granted = windowBytes;
	let owed = 0;
	let taken = 0;

	function push(): void {
		while (pending.length > 0 && !closed) {
			const bytes = pending[0]!;
			const room = Math.min(sendWindow, link.room(), payloadMaxBytes);
			if (room <= 0) {
				link.waits();
				return;
			}
			if (bytes.length <= room) pending.shift();
			else pending[0] = bytes.subarray(room);
			transmit(bytes.length <= room ? bytes : bytes.subarray(0, room));
		}
		if (ending && !ended && !closed) transmit(nothing);
		if (mayWait && !closed) {
			mayWait = false;
			events.onDrain();
		}
	}

	function transmit(bytes: Uint8Array): void {
		ended = ending && pending.length === 0;
		sendWindow -= bytes.length;
		link.used(bytes.length);
		link.send(encodeFrame(type.data, ended ? flag.endStream : 0, id, bytes));
		if (!ended) return;
		if (peerEnded) close(h2.NGHTTP2_NO_ERROR);
		// Its answer is whole: what the client would still send is of no use (RFC 9113, section 8.1).
		else if (side === "server") stream.reset(h2.NGHTTP2_NO_ERROR);
	}

	function grant(bytes: number): void {
		link.taken(bytes);
		taken += bytes;
		if (peerEnded || closed || taken < windowBytes / 2) return;
		link.send(encodeNumbers(type.windowUpdate, 0, id, taken));
		granted += taken;
		taken = 0;
	}

	function close(code: number, error?: Error): void {
		if (closed) return;
		closed = true;
		pending.length = 0;
		link.taken(owed);
		owed = 0;
		link.closed();
		events.onClose(code, error);
	}

	const stream: Stream = {
		get writable() {
			return !closed && !ending;
		},
		get closed() {
			return closed;
		},
		answer(fields) {
			if (!closed && !link.sendHead(fields)) stream.reset(h2.NGHTTP2_INTERNAL_ERROR);
		},
		write(bytes) {
			if (closed || ending) return true;
			pending.push(bytes);
			push();
			mayWait = pending.length > 0;
			return !mayWait;
		},
		end(bytes) {
			if (closed || ending) return;
			if (bytes) pending.push(bytes);
			ending = true;
			push();
		},
		hold(now) {
			held = now;
			if (held || owed === 0) return;
			const bytes = owed;
			owed = 0;
			grant(bytes);
		},
		reset(code) {
			if (closed) return;
			link.send(encodeNumbers(type.rstStream, 0, id, code));
			close(code);
		},
	};
	return {
		stream,
		get peerEnded() {
			return peerEnded;
		},
		hear(given) {
			events = given;
		},
		head: (fields) => events.onHead(fields),
		receive(payload, length) {
			granted -= length;
			if (granted < 0) return false;
			if (payload.length > 0) events.onData(payload);
			if (held && !closed) owed += length;
			else grant(length);
			return true;
		},
		receiveEnd() {
			if (peerEnded || closed) return;
			peerEnded = true;
			events.onEnd();
			if (ended) close(h2.NGHTTP2_NO_ERROR);
		},
		widen(by) {
			sendWindow += by;
			if (sendWindow > windowMax) return false;
			if (by > 0) push();
			return true;
		},
		push,
		close,
	};
}
