// What a connection sends: all frames of a turn in one write, and no more than the peer reads.
import type { Socket } from "node:net";

export interface Outgoing {
	send(frame: Buffer): void;
	/** Writes now what would be written at the end of this turn. */
	flush(): void;
	/** Writes it, and nothing after it. */
	end(): void;
	readonly ended: boolean;
	/** The socket has not taken all yet: what can wait should, for `onRoom`. */
	readonly full: boolean;
}

/** `onStuck`: more than `unsentMaxBytes` wait for a peer that does not read. */
export function createOutgoing(
	socket: Socket,
	unsentMaxBytes: number,
	onRoom: () => void,
	onStuck: () => void,
): Outgoing {
	let frames: Buffer[] = [];
	let bytes = 0;
	let flushing = false;
	let ended = false;

	function flush(): void {
		flushing = false;
		if (frames.length === 0 || socket.destroyed) return;
		const all = frames.length === 1 ? frames[0]! : Buffer.concat(frames, bytes);
		frames = [];
		bytes = 0;
		const taken = socket.write(all);
		if (socket.writableLength > unsentMaxBytes) onStuck();
		else if (taken) onRoom();
	}

	socket.on("drain", onRoom);
	return {
		send(frame) {
			if (ended) return;
			frames.push(frame);
			bytes += frame.length;
			if (flushing) return;
			flushing = true;
			process.nextTick(flush);
		},
		flush,
		end() {
			if (ended) return;
			ended = true;
			flush();
			socket.end();
		},
		get ended() {
			return ended;
		},
		get full() {
			return socket.writableNeedDrain || bytes >= socket.writableHighWaterMark;
		},
	};
}
