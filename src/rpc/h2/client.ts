// The connection that a client's streams share: opened with the first of them, kept alive, and opened again when it is gone.
import { Socket } from "node:net";
import type { Clock } from "../../clock.ts";
import { type Connection, type ConnectionLimits, openConnection } from "./connection.ts";
import type { Field } from "./hpack.ts";
import { mark } from "./mark.ts";
import type { Stream, StreamEvents } from "./stream.ts";

export interface KeptAlive {
	/** A connection with streams that was silent for so long is asked for a sign of life, ms; without, with its next stream. */
	readonly pingIntervalMs: number;
	/** Without that sign for so long it ends, ms. */
	readonly pingTimeoutMs: number;
	/** A connection without streams is closed after so long, ms. */
	readonly idleMs: number;
}

export interface StreamClientOptions {
	readonly dial: () => Socket;
	readonly limits: ConnectionLimits;
	readonly keptAlive: KeptAlive;
	readonly clock: Pick<Clock, "monotonic" | "after">;
}

export interface StreamClient {
	/** Opens a stream at once; where no connection comes about it closes with the error that says why. */
	request(fields: readonly Field[], events: StreamEvents): Stream;
	/** Cuts what is open, and opens nothing any more: what is asked for from then on closes at once. */
	close(): void;
}

export function createStreamClient({ dial, limits, keptAlive, clock }: StreamClientOptions): StreamClient {
	const { pingIntervalMs, pingTimeoutMs, idleMs } = keptAlive;
	const connections = new Set<Connection>();
	let closed = false;
	let current: { readonly connection: Connection; readonly check: () => void } | undefined;

	function connect(): { connection: Connection; check: () => void } {
		const socket = closed ? new Socket().destroy(new Error("the client is closed")) : dial();
		const { monotonic: nowMs } = clock;
		const connection = openConnection({ socket, side: "client", limits, nowMs, settings: [mark] });
		let failure: Error | undefined;
		let cancel = clock.after(pingIntervalMs, look);
		let heard = 0;
		let heardAtMs = nowMs();
		let idleSinceMs = heardAtMs;
		let asked = false;

		function look(): void {
			if (connection.streams > 0) idleSinceMs = nowMs();
			else if (nowMs() - idleSinceMs >= idleMs) {
				connection.retire();
				cancel = clock.after(pingTimeoutMs, connection.destroy);
				return;
			}
			cancel = clock.after(pingIntervalMs, look);
			if (connection.heard > heard) heard = connection.heard;
			else if (connection.streams > 0) ask();
		}

		function ask(): void {
			asked = true;
			heard = connection.heard;
			connection.ping();
			cancel();
			cancel = clock.after(pingTimeoutMs, () => {
				asked = false;
				if (connection.heard === heard) connection.destroy(new Error("the connection gives no sign of life"));
				else look();
			});
		}

		/** Nobody has asked a connection without streams whether it still is one. */
		function check(): void {
			if (!asked && connection.streams === 0 && nowMs() - heardAtMs >= pingIntervalMs) ask();
		}

		socket.on("data", (chunk) => {
			heardAtMs = nowMs();
			connection.read(chunk);
		});
		socket.on("end", connection.end);
		socket.on("error", (error) => {
			failure = error;
		});
		socket.on("close", () => {
			cancel();
			connections.delete(connection);
			connection.destroy(failure);
		});
		connections.add(connection);
		return { connection, check };
	}

	return {
		request(fields, events) {
			if (!current?.connection.open) current = connect();
			else current.check();
			return current.connection.request(fields, events);
		},
		close() {
			closed = true;
			for (const connection of connections) connection.destroy();
		},
	};
}
