// The HTTP/2 carrier's client: two connections to one server, one for single calls and one for streams, kept alive, and
// opened again when they are gone.
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { systemClock } from "../clock.ts";
import { formatAddress, parseAddress } from "./address.ts";
import { type ConnectOptions, messageLimits, type RpcClient, withinTimers } from "./carrier.ts";
import { createStreamClient } from "./h2/client.ts";
import type { ConnectionLimits } from "./h2/connection.ts";
import { streamOverHttp2 } from "./http2-stream-client.ts";
import { lostConnection } from "./lost-connection.ts";
import { guardSessions } from "./session-guard.ts";

export interface Http2ClientBounds {
	/** How long opening a connection may take, ms. */
	readonly connectTimeoutMs: number;
	/** A connection with calls that was silent for so long is asked for a sign of life, ms; unused, before its next call. */
	readonly pingIntervalMs: number;
	/** Without that sign for so long it ends, and its calls with UNAVAILABLE, ms. */
	readonly pingTimeoutMs: number;
	/** A connection without calls is closed after so long, ms. */
	readonly idleMs: number;
}

const http2ClientBounds: Http2ClientBounds = {
	connectTimeoutMs: 2_000,
	pingIntervalMs: 10_000,
	pingTimeoutMs: 5_000,
	idleMs: 60_000,
};

/** What a server may cost. It opens no streams. */
const streamLimits: ConnectionLimits = {
	streamsMax: 0,
	headerPairsMax: 64,
	headerMaxBytes: 16 * 1024,
	windowBytes: 256 * 1024,
	settingsMax: 16,
	settingsFramesMax: 100,
	unsentMaxBytes: 2 * 1024 * 1024,
	emptyFramesMax: 100,
	resetsBurst: 0,
	resetsPerSecond: 0,
};

/** `address`: `host:port` or `unix:PATH`. */
export function connectHttp2(
	address: string,
	{ interceptors = [] }: ConnectOptions = {},
	bounds: Http2ClientBounds = http2ClientBounds,
): RpcClient {
	const target = parseAddress(address);
	const baseUrl = `http://${"path" in target ? "localhost" : formatAddress(target)}`;
	const dial = (): Socket =>
		openSocket("path" in target ? target : { ...target, noDelay: true }, bounds.connectTimeoutMs);
	const manager = new Http2SessionManager(
		baseUrl,
		{
			pingIntervalMs: bounds.pingIntervalMs,
			pingTimeoutMs: bounds.pingTimeoutMs,
			idleConnectionTimeoutMs: bounds.idleMs,
		},
		{ createConnection: dial },
	);
	const sessionManager = guardSessions(manager);
	const withLost = [...interceptors, lostConnection];
	const { unary } = createConnectTransport({
		httpVersion: "2",
		baseUrl,
		sessionManager,
		interceptors: withLost,
		acceptCompression: [],
		...messageLimits,
	});
	const streams = createStreamClient({ dial, limits: streamLimits, keptAlive: bounds, clock: systemClock });
	const stream = streamOverHttp2({ streams, baseUrl, interceptors });
	return {
		transport: withinTimers({ unary, stream }),
		close() {
			sessionManager.close();
			streams.close();
		},
	};
}

function openSocket(target: NetConnectOpts, timeoutMs: number): Socket {
	const socket = connect(target);
	const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs);
	socket.once("connect", () => clearTimeout(timer));
	socket.once("close", () => clearTimeout(timer));
	return socket;
}
