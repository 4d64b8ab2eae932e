// Pipelined requests, which a caller sends on one connection without waiting for answers: node:http begins with all of them
// at once. Here a bounded number is worked on at a time, the next ones wait, and nothing more is read while any does. Where
// more come in one read than may wait, the connection is cut: each that waits takes some kilobytes.
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

export interface PipelineLimits {
	/** Requests of one connection that are worked on at a time. */
	readonly underWayMax: number;
	/** Those that wait for that. */
	readonly waitingMax: number;
}

/** Begins with a request now, or once an earlier one of its connection is answered. Not at all, where that has gone. */
export type Pipeline = (socket: Socket, outgoing: ServerResponse, begin: () => void) => void;

interface Line {
	underWay: number;
	pausing: boolean;
	/** By us: node:http does so for reasons of its own. */
	paused: boolean;
	readonly waiting: { readonly outgoing: ServerResponse; readonly begin: () => void }[];
}

export function createPipeline({ underWayMax, waitingMax }: PipelineLimits): Pipeline {
	const lines = new WeakMap<Socket, Line>();

	function start(socket: Socket, line: Line, outgoing: ServerResponse, begin: () => void): void {
		line.underWay++;
		outgoing.once("close", () => {
			line.underWay--;
			const next = socket.destroyed ? undefined : line.waiting.shift();
			if (next) start(socket, line, next.outgoing, next.begin);
			if (!line.paused || line.waiting.length > 0) return;
			line.paused = false;
			socket.resume();
		});
		begin();
	}

	/** Not before all that was read at once is parsed: until then node:http resumes after each request. */
	function pauseAfterRead(socket: Socket, line: Line): void {
		if (line.pausing) return;
		line.pausing = true;
		queueMicrotask(() => {
			line.pausing = false;
			if (line.waiting.length === 0) return;
			line.paused = true;
			socket.pause();
		});
	}

	return (socket, outgoing, begin) => {
		if (socket.destroyed) return;
		let line = lines.get(socket);
		if (!line) {
			line = { underWay: 0, pausing: false, paused: false, waiting: [] };
			lines.set(socket, line);
		}
		if (line.underWay < underWayMax) return start(socket, line, outgoing, begin);
		if (line.waiting.length >= waitingMax) {
			line.waiting.length = 0;
			socket.destroy();
			return;
		}
		line.waiting.push({ outgoing, begin });
		pauseAfterRead(socket, line);
	};
}
