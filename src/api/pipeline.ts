// Requests that a caller sends on one connection without waiting for answers: node:http begins with all of them at once. Here
// so many are worked on at a time, the next ones wait, and nothing more is read while any does.
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Begins with a request now, or once an earlier one of its connection is answered. Not at all, where that has gone. */
export type Pipeline = (socket: Socket, outgoing: ServerResponse, begin: () => void) => void;

interface Line {
	underWay: number;
	/** By us: node:http does so for reasons of its own. */
	paused: boolean;
	readonly waiting: { readonly outgoing: ServerResponse; readonly begin: () => void }[];
}

export function createPipeline(underWayMax: number): Pipeline {
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

	return (socket, outgoing, begin) => {
		let line = lines.get(socket);
		if (!line) {
			line = { underWay: 0, paused: false, waiting: [] };
			lines.set(socket, line);
		}
		if (line.underWay < underWayMax) return start(socket, line, outgoing, begin);
		line.waiting.push({ outgoing, begin });
		line.paused = true;
		socket.pause();
	};
}
