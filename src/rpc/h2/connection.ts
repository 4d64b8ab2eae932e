// One HTTP/2 connection, from either side: its streams, their windows, its signs of life and its end (RFC 9113).
//
// For the few connections between the relay's own services, whose streams live for hours and carry small messages:
// node:http2 takes several times as much code, and CPU, for a message of one payment. What such streams do not need is
// not here: server push, headers in pieces, a table of headers; priorities are ignored. A peer that needs those, or breaks a
// rule, loses the connection.
import { constants as h2 } from "node:http2";
import type { Socket } from "node:net";
import {
	createFrameReader,
	encodeFrame,
	encodeNumbers,
	encodeSettings,
	flag,
	payloadMaxBytes,
	preface,
	setting,
	type,
} from "./frame.ts";
import { encodeFields, type Field, type HeaderBounds, noTable } from "./hpack.ts";
import { createOutgoing } from "./outgoing.ts";
import { readFarewell, readFields, readIncrement, readWindows, unpadded } from "./payload.ts";
import { afterEnd, badSize, broken, notGranted, PeerError, tooMuch } from "./peer-error.ts";
import { createResetBudget, type ResetLimits } from "./reset-budget.ts";
import { createStream, type Stream, type StreamEvents, type StreamLink, type StreamPart, windowMax } from "./stream.ts";

/** What one peer may cost. */
export interface ConnectionLimits extends HeaderBounds, ResetLimits {
	/** Streams open at the same time. */
	readonly streamsMax: number;
	/** Bytes of a stream that may be on their way to a reader that does not take them; of a connection, 16 times that. */
	readonly windowBytes: number;
	/** Entries in one SETTINGS frame. */
	readonly settingsMax: number;
	/** SETTINGS frames: each may change the windows of all streams. */
	readonly settingsFramesMax: number;
	/** Bytes that wait for a peer that does not read. */
	readonly unsentMaxBytes: number;
	/** DATA frames in a row that bring nothing. */
	readonly emptyFramesMax: number;
}

export interface ConnectionOptions {
	readonly socket: Socket;
	readonly side: "client" | "server";
	readonly limits: ConnectionLimits;
	/** On a clock that never goes back, ms. */
	readonly nowMs: () => number;
	/** Settings beside those that the limits make. */
	readonly settings?: readonly (readonly [id: number, value: number])[];
	/** A server's: the peer has opened a stream. Who is to hear of it? */
	readonly onStream?: (stream: Stream, fields: readonly Field[]) => StreamEvents;
	/** A server's: whether the peer may open one more stream, as far as other connections are concerned. */
	readonly mayOpen?: () => boolean;
	/** It ends, and not as it should: by what the peer did or did not, or by its socket. */
	readonly onBroken?: (error: Error) => void;
}

export interface Connection {
	/** Takes what the peer has sent. */
	read(chunk: Buffer): void;
	/** A client's: opens a stream. Look at `open` before. */
	request(fields: readonly Field[], events: StreamEvents): Stream;
	/** Whether new streams are possible. */
	readonly open: boolean;
	readonly streams: number;
	/** Bytes that have come. */
	readonly heard: number;
	/** Asks for a sign of life. */
	ping(): void;
	/** Takes no more streams; those that are open go on, and the connection ends with the last. */
	retire(): void;
	/** The peer will say no more: the connection ends after what is still to be sent. */
	end(): void;
	/** Its socket has closed, or is to be: all streams close, with this error. */
	destroy(error?: Error): void;
}

/** Section 6.9.2; that of the connection can only be raised. */
const defaultWindow = 65_535;
/** Full windows that a connection has room for. */
const windowsMax = 16;
const pingBytes = Buffer.alloc(8);

export function openConnection(options: ConnectionOptions): Connection {
	const { socket, side, limits, nowMs, onStream, mayOpen, onBroken } = options;
	const { windowBytes } = limits;
	const streams = new Map<number, StreamPart>();
	/** The newest stream; clients number theirs 1, 3, 5 … */
	let lastId = side === "client" ? -1 : 0;
	/** SETTINGS frames that have come. */
	let settingsFrames = 0;
	let retired = false;
	let over = false;
	let heard = 0;
	// What may be sent: by the peer's windows, and by what the socket has not taken yet.
	let sendWindow = defaultWindow;
	let streamSendWindow = defaultWindow;
	let somethingWaits = false;
	let headSent = false;
	// What the peer may send, and what it sent that was taken and not granted anew.
	const grantedMax = windowBytes * windowsMax;
	let granted = defaultWindow;
	let taken = 0;
	let emptyFrames = 0;
	const mayReset = createResetBudget(limits, nowMs);

	// ── out ──

	const outgoing = createOutgoing(socket, limits.unsentMaxBytes, pushAll, () =>
		destroy(new Error("the peer does not read")),
	);
	const { send } = outgoing;

	function pushAll(): void {
		if (!somethingWaits) return;
		somethingWaits = false;
		for (const part of [...streams.values()]) part.push();
	}

	function take(bytes: number): void {
		taken += bytes;
		if (over || taken < grantedMax / 2) return;
		send(encodeNumbers(type.windowUpdate, 0, 0, taken));
		granted += taken;
		taken = 0;
	}

	function sendHead(id: number, fields: readonly Field[]): boolean {
		const block = headSent ? encodeFields(fields) : encodeFields(fields, noTable);
		if (block.length > payloadMaxBytes) return false;
		headSent = true;
		send(encodeFrame(type.headers, flag.endHeaders, id, block));
		return true;
	}

	const linkOf = (id: number): StreamLink => ({
		send,
		sendHead: (fields) => sendHead(id, fields),
		room: () => (outgoing.full ? 0 : sendWindow),
		used(bytes) {
			sendWindow -= bytes;
		},
		waits() {
			somethingWaits = true;
		},
		taken: take,
		closed() {
			streams.delete(id);
			endIfDone();
		},
	});

	// ── in ──

	const readFrames = createFrameReader(onFrame, () => {
		throw badSize("a frame");
	});

	function onFrame(kind: number, flags: number, id: number, payload: Buffer): void {
		// What still comes after our own end is read for the peer's sake, who would lose what we sent to it last.
		if (over || outgoing.ended) return;
		if (settingsFrames === 0 && kind !== type.settings) throw broken("the first frame is not SETTINGS");
		if (kind === type.data) onData(flags, id, payload);
		else if (kind === type.windowUpdate) onWindowUpdate(id, payload);
		else if (kind === type.headers) onHeaders(flags, id, payload);
		else if (kind === type.rstStream) onReset(id, payload);
		else if (kind === type.settings) onSettings(flags, id, payload);
		else if (kind === type.ping) onPing(flags, id, payload);
		else if (kind === type.goaway) onGoaway(id, payload);
		else if (kind === type.pushPromise || kind === type.continuation) throw broken(`a frame of type ${kind} came`);
		// Frames of types that are not known are ignored (section 4.1).
	}

	/** `undefined` for a stream that has closed. */
	function known(id: number): StreamPart | undefined {
		if (id > lastId || id % 2 === 0) throw broken(`stream ${id} was never opened`);
		return streams.get(id);
	}

	function onData(flags: number, id: number, payload: Buffer): void {
		const part = known(id);
		const ends = (flags & flag.endStream) !== 0;
		granted -= payload.length;
		if (granted < 0) throw notGranted();
		emptyFrames = payload.length > 0 || ends ? 0 : emptyFrames + 1;
		if (emptyFrames > limits.emptyFramesMax) throw tooMuch("frames that bring nothing");
		if (part?.peerEnded) throw afterEnd();
		if (!part) take(payload.length);
		else if (!part.receive(unpadded(flags, payload), payload.length)) throw notGranted();
		if (ends) part?.receiveEnd();
	}

	function onHeaders(flags: number, id: number, payload: Buffer): void {
		const ends = (flags & flag.endStream) !== 0;
		const fields = readFields(flags, payload, limits);
		if (side === "server" && id > lastId) accept(id, fields);
		else {
			const part = known(id);
			if (part?.peerEnded) throw afterEnd();
			if (side === "client") part?.head(fields);
			// After its head a stream has only trailers, which say nothing here.
			else if (!ends) throw broken("a stream has a second head");
		}
		if (ends) known(id)?.receiveEnd();
	}

	function accept(id: number, fields: readonly Field[]): void {
		if (id % 2 === 0) throw broken(`a client's stream has number ${id}`);
		lastId = id;
		if (retired || streams.size >= limits.streamsMax || mayOpen?.() === false) {
			send(encodeNumbers(type.rstStream, 0, id, h2.NGHTTP2_REFUSED_STREAM));
			return;
		}
		const part = add(id);
		part.hear(onStream!(part.stream, fields));
	}

	function add(id: number): StreamPart {
		const part = createStream(id, side, linkOf(id), streamSendWindow, windowBytes);
		streams.set(id, part);
		return part;
	}

	function onReset(id: number, payload: Buffer): void {
		if (payload.length !== 4) throw badSize("RST_STREAM");
		const part = known(id);
		if (part && side === "server" && !mayReset()) throw tooMuch("streams that were reset");
		part?.close(payload.readUInt32BE());
	}

	function onSettings(flags: number, id: number, payload: Buffer): void {
		if (id !== 0) throw broken("SETTINGS of a stream");
		if ((flags & flag.ack) !== 0) {
			if (payload.length > 0) throw badSize("SETTINGS");
			if (settingsFrames === 0) throw broken("the first frame is not SETTINGS");
			return;
		}
		if (++settingsFrames > limits.settingsFramesMax) throw tooMuch("changes of settings");
		for (const window of readWindows(payload, limits.settingsMax)) {
			const by = window - streamSendWindow;
			streamSendWindow = window;
			for (const part of [...streams.values()]) if (!part.widen(by)) throw notGranted();
		}
		send(encodeFrame(type.settings, flag.ack, 0));
	}

	function onPing(flags: number, id: number, payload: Buffer): void {
		if (id !== 0) throw broken("PING of a stream");
		if (payload.length !== pingBytes.length) throw badSize("PING");
		if ((flags & flag.ack) === 0) send(encodeFrame(type.ping, flag.ack, 0, payload));
	}

	function onWindowUpdate(id: number, payload: Buffer): void {
		const by = readIncrement(payload);
		if (id !== 0) {
			if (known(id)?.widen(by) === false) throw notGranted();
			return;
		}
		sendWindow += by;
		if (sendWindow > windowMax) throw notGranted();
		pushAll();
	}

	/** Where all is well, streams that the peer has looked at go on. */
	function onGoaway(id: number, payload: Buffer): void {
		if (id !== 0) throw broken("GOAWAY of a stream");
		const { last, code } = readFarewell(payload);
		retired = true;
		for (const [id, part] of [...streams]) {
			if (code !== h2.NGHTTP2_NO_ERROR) part.close(code);
			// A server's word on the client's streams; there are none that a client could tell a server of.
			else if (side === "client" && id > last) part.close(h2.NGHTTP2_REFUSED_STREAM);
		}
		endIfDone();
	}

	// ── ends ──

	function endIfDone(): void {
		if (!retired || over || streams.size > 0) return;
		outgoing.end();
	}

	/** Which of the peer's streams were looked at, and why there will be no more. */
	function sendGoaway(code: number): void {
		send(encodeNumbers(type.goaway, 0, 0, side === "server" ? lastId : 0, code));
	}

	function destroy(error?: Error): void {
		if (over) return;
		over = true;
		retired = true;
		if (error) onBroken?.(error);
		for (const part of [...streams.values()]) part.close(h2.NGHTTP2_CANCEL, error);
		socket.destroy();
	}

	const settings = [
		[setting.headerTableSize, 0],
		...(side === "client" ? [[setting.enablePush, 0] as const] : [[setting.streamsMax, limits.streamsMax] as const]),
		[setting.initialWindow, windowBytes],
		...(options.settings ?? []),
	] as const;
	if (side === "client") send(preface);
	send(encodeSettings(settings));
	take(grantedMax - defaultWindow);

	return {
		read(chunk) {
			heard += chunk.length;
			try {
				readFrames(chunk);
			} catch (error) {
				if (!(error instanceof PeerError)) throw error;
				sendGoaway(error.code);
				outgoing.flush();
				destroy(error);
			}
		},
		request(fields, events) {
			lastId += 2;
			const part = add(lastId);
			if (sendHead(lastId, fields)) part.hear(events);
			else {
				// At once: nothing may be sent on a stream that the peer has not heard of.
				part.close(h2.NGHTTP2_INTERNAL_ERROR);
				const error = new Error("the head of a request is longer than a frame");
				// Its caller has to have the stream before it hears of its end.
				queueMicrotask(() => events.onClose(h2.NGHTTP2_INTERNAL_ERROR, error));
			}
			return part.stream;
		},
		get open() {
			return !retired && !outgoing.ended && !socket.destroyed;
		},
		get streams() {
			return streams.size;
		},
		get heard() {
			return heard;
		},
		ping: () => send(encodeFrame(type.ping, 0, 0, pingBytes)),
		retire() {
			if (retired) return;
			retired = true;
			sendGoaway(h2.NGHTTP2_NO_ERROR);
			endIfDone();
		},
		end: outgoing.end,
		destroy,
	};
}
