// A server's connections that carry nothing but streams of the relay's own clients: taken before node:http2 has them.
import type { Server, Socket } from "node:net";
import type { Clock } from "../../clock.ts";
import { takeAheadOf } from "../ahead-of-server.ts";
import { type Connection, type ConnectionLimits, openConnection } from "./connection.ts";
import { preface } from "./frame.ts";
import type { Field } from "./hpack.ts";
import { isMarked } from "./mark.ts";
import type { Stream, StreamEvents } from "./stream.ts";

export interface StreamServerOptions {
	readonly limits: ConnectionLimits & {
		/** Streams open at the same time on all connections. */
		readonly callsInAllMax: number;
		/** A connection is asked for a sign of life so often, ms, and ends when it gave none until the next time. */
		readonly keepAliveMs: number;
	};
	readonly clock: Pick<Clock, "monotonic" | "after">;
	/** A stream that was opened, and who is to hear of it. */
	readonly onStream: (stream: Stream, fields: readonly Field[]) => StreamEvents;
	readonly onFault: (error: unknown, what: string) => void;
}

export interface StreamServer {
	/** Looks at the server's connections before it does. To be called before it listens. */
	putBefore(server: Server): void;
	/** Takes no more streams; connections end with their last one, those that have said nothing at once. */
	retire(): void;
	destroy(): void;
	/** After `destroy`: nothing is looked at any more. */
	stop(): void;
}

export function createStreamServer({ limits, clock, onStream, onFault }: StreamServerOptions): StreamServer {
	const { monotonic: nowMs } = clock;
	/** What was heard of each when it was last asked for a sign of life. */
	const connections = new Map<Connection, number>();
	/** Those that have not said what they are for. */
	const strangers = new Map<Socket, { looks: number }>();
	let retired = false;
	let cancel = clock.after(limits.keepAliveMs, look);

	function mayOpen(): boolean {
		let open = 0;
		for (const connection of connections.keys()) open += connection.streams;
		return open < limits.callsInAllMax;
	}

	function take(socket: Socket, begun: Buffer): void {
		const onBroken = (error: Error): void => onFault(error, "a connection failed");
		const connection = openConnection({ socket, side: "server", limits, nowMs, onStream, mayOpen, onBroken });
		let failure: Error | undefined;
		socket.on("data", connection.read);
		socket.on("end", connection.end);
		socket.on("error", (error) => {
			failure = error;
		});
		socket.on("close", () => {
			connections.delete(connection);
			connection.destroy(failure);
		});
		connections.set(connection, -1);
		if (retired) connection.retire();
		connection.read(begun.subarray(preface.length));
	}

	function look(): void {
		cancel = clock.after(limits.keepAliveMs, look);
		for (const [connection, heard] of connections) {
			if (connection.heard === heard) {
				connection.destroy(new Error("the connection gives no sign of life"));
				continue;
			}
			connections.set(connection, connection.heard);
			connection.ping();
		}
		for (const [socket, stranger] of strangers) if (++stranger.looks > 1) socket.destroy();
	}

	return {
		putBefore(server) {
			const toServer = takeAheadOf(server, (socket) => {
				if (retired) {
					socket.destroy();
					return;
				}
				let begun: Buffer = Buffer.alloc(0);
				const onData = (chunk: Buffer): void => {
					begun = begun.length === 0 ? chunk : Buffer.concat([begun, chunk]);
					const marked = isMarked(begun);
					if (marked !== undefined) decide(marked);
				};
				const onError = (): void => void socket.destroy();
				const onClose = (): void => void strangers.delete(socket);
				const decide = (marked: boolean): void => {
					strangers.delete(socket);
					socket.off("data", onData).off("error", onError).off("close", onClose).off("end", onEnd);
					if (marked) take(socket, begun);
					else toServer(socket, begun);
				};
				/** Whoever ends before saying what for wants nothing. */
				const onEnd = (): void => void socket.destroy();
				strangers.set(socket, { looks: 0 });
				socket.on("data", onData).on("error", onError).on("close", onClose).on("end", onEnd);
			});
		},
		retire() {
			retired = true;
			for (const connection of [...connections.keys()]) connection.retire();
			for (const socket of strangers.keys()) socket.destroy();
		},
		destroy() {
			for (const connection of [...connections.keys()]) connection.destroy();
			for (const socket of strangers.keys()) socket.destroy();
		},
		stop: () => cancel(),
	};
}
