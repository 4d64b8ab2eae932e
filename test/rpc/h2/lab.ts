// Connections of our own HTTP/2 for tests: between two endpoints of ours, and between one and bytes that a test writes.
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { systemClock } from "../../../src/clock.ts";
import type { KeptAlive } from "../../../src/rpc/h2/client.ts";
import { type Connection, type ConnectionLimits, openConnection } from "../../../src/rpc/h2/connection.ts";
import { createFrameReader, encodeSettings, preface, type } from "../../../src/rpc/h2/frame.ts";
import { encodeFields, type Field } from "../../../src/rpc/h2/hpack.ts";
import type { Stream, StreamEvents } from "../../../src/rpc/h2/stream.ts";

export const limits: ConnectionLimits = {
	streamsMax: 8,
	headerPairsMax: 64,
	headerMaxBytes: 16 * 1024,
	windowBytes: 256 * 1024,
	settingsMax: 16,
	unsentMaxBytes: 1024 * 1024,
	settingsFramesMax: 100,
	emptyFramesMax: 20,
	resetsBurst: 20,
	resetsPerSecond: 1,
};
export const keptAlive: KeptAlive = { pingIntervalMs: 10_000, pingTimeoutMs: 5_000, idleMs: 60_000 };

export function dialTo(port: number): Socket {
	return connect({ port, host: "127.0.0.1", noDelay: true });
}

/** What was heard of a stream, in order: data as text, all of one piece after the other joined. */
export interface Heard {
	readonly events: StreamEvents;
	head: readonly Field[] | undefined;
	data: string;
	ended: boolean;
	drained: number;
	readonly closed: Promise<{ readonly code: number; readonly error: Error | undefined }>;
}

export function hear(onData: (chunk: Buffer) => void = () => {}): Heard {
	const closed = Promise.withResolvers<{ code: number; error: Error | undefined }>();
	const heard: Heard = {
		head: undefined,
		data: "",
		ended: false,
		drained: 0,
		closed: closed.promise,
		events: {
			onHead(fields) {
				heard.head = fields;
			},
			onData(chunk) {
				heard.data += chunk.toString("latin1");
				onData(chunk);
			},
			onEnd() {
				heard.ended = true;
			},
			onDrain() {
				heard.drained++;
			},
			onClose: (code, error) => closed.resolve({ code, error }),
		},
	};
	return heard;
}

export interface Pair {
	readonly client: Connection;
	readonly server: Connection;
	readonly sockets: { readonly client: Socket; readonly server: Socket };
	close(): void;
}

/** A client and a server of ours, on one TCP connection. */
export async function connectPair(
	onStream: (stream: Stream, fields: readonly Field[]) => StreamEvents,
	given: Partial<ConnectionLimits> = {},
): Promise<Pair> {
	const listener = createServer();
	const port = await listen(listener);
	const accepted = once(listener, "connection");
	const dialed = dialTo(port);
	const [socket] = (await accepted) as [Socket];
	const shared = { limits: { ...limits, ...given }, nowMs: () => systemClock.monotonic() };
	const server = openConnection({ ...shared, socket, side: "server", onStream });
	const client = openConnection({ ...shared, socket: dialed, side: "client" });
	// The client's preface is for whoever decides what kind of connection it is.
	let skipped = false;
	socket.on("data", (chunk: Buffer) => {
		server.read(skipped ? chunk : chunk.subarray(preface.length));
		skipped = true;
	});
	dialed.on("data", client.read);
	for (const [one, connection] of [
		[socket, server],
		[dialed, client],
	] as const) {
		one.on("error", () => {});
		one.on("close", () => connection.destroy());
	}
	return {
		client,
		server,
		sockets: { client: dialed, server: socket },
		close() {
			dialed.destroy();
			socket.destroy();
			listener.close();
		},
	};
}
async function listen(server: Server): Promise<number> {
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	return (server.address() as { port: number }).port;
}

export interface Peer {
	/** Sends bytes as they are. */
	write(...bytes: readonly Buffer[]): void;
	/** Frames that came, by type. */
	readonly came: { readonly kind: number; readonly flags: number; readonly id: number; readonly payload: Buffer }[];
	readonly closed: Promise<unknown>;
	/** Reads no more, for now. */
	pause(): void;
	resume(): void;
	destroy(): void;
}

/** A peer of bytes at a server on this port, which has said its preface and its settings. */
export async function openPeer(port: number, settings: readonly (readonly [number, number])[]): Promise<Peer> {
	const socket = dialTo(port);
	await once(socket, "connect");
	const came: Peer["came"] = [];
	const read = createFrameReader(
		(kind, flags, id, payload) => came.push({ kind, flags, id, payload: Buffer.from(payload) }),
		() => {},
	);
	socket.on("data", read);
	socket.on("error", () => {});
	const closed = new Promise((resolve) => socket.once("close", resolve));
	socket.write(Buffer.concat([preface, encodeSettings(settings)]));
	return {
		write: (...bytes) => void socket.write(Buffer.concat(bytes)),
		came,
		closed,
		pause: () => void socket.pause(),
		resume: () => void socket.resume(),
		destroy: () => void socket.destroy(),
	};
}

/** The code of the GOAWAY that came; `undefined` where none did. */
export function goawayOf({ came }: Peer): number | undefined {
	return came.find(({ kind }) => kind === type.goaway)?.payload.readUInt32BE(4);
}

export const requestBlock = (path: string): Buffer =>
	encodeFields([
		[":method", "POST"],
		[":scheme", "http"],
		[":authority", "relay"],
		[":path", path],
		["content-type", "application/connect+proto"],
	]);
