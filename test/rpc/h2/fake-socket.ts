// A socket whose other side is the test, so that connections live in simulated time.
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { createFrameReader, encodeFrame, flag, preface, type } from "../../../src/rpc/h2/frame.ts";

export interface FakeSocket {
	readonly socket: Socket;
	/** The types of the frames that were sent to the other side. */
	readonly sent: number[];
	/** The other side says this. */
	say(...bytes: readonly Buffer[]): void;
}

/** `answers`: the other side gives the signs of life that it is asked for. It never closes. */
export function createFakeSocket({ answers }: { readonly answers: boolean }): FakeSocket {
	const sent: number[] = [];
	let greeted = false;
	const read = createFrameReader(
		(kind, flags, _id, payload) => {
			sent.push(kind);
			const asks = kind === type.ping && (flags & flag.ack) === 0;
			if (asks && answers) duplex.push(encodeFrame(type.ping, flag.ack, 0, payload));
		},
		() => {},
	);
	const duplex = new Duplex({
		read() {},
		write(chunk: Buffer, _encoding, done) {
			const isPreface = !greeted && chunk.subarray(0, preface.length).equals(preface);
			greeted = true;
			read(isPreface ? chunk.subarray(preface.length) : chunk);
			done();
		},
	});
	return { socket: duplex as Socket, sent, say: (...bytes) => void duplex.push(Buffer.concat(bytes)) };
}
