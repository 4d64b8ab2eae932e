// The HTTP/2 carrier's client: one connection to one server, kept alive, and opened again when it is gone.
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { formatAddress, parseAddress } from "./address.ts";
import { type ConnectOptions, messageLimits, type RpcClient } from "./carrier.ts";
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

/** `address`: `host:port` or `unix:PATH`. */
export function connectHttp2(
	address: string,
	{ interceptors = [] }: ConnectOptions = {},
	bounds: Http2ClientBounds = http2ClientBounds,
): RpcClient {
	const target = parseAddress(address);
	const baseUrl = `http://${"path" in target ? "localhost" : formatAddress(target)}`;
	const manager = new Http2SessionManager(
		baseUrl,
		{
			pingIntervalMs: bounds.pingIntervalMs,
			pingTimeoutMs: bounds.pingTimeoutMs,
			idleConnectionTimeoutMs: bounds.idleMs,
		},
		{
			createConnection: () =>
				openSocket("path" in target ? target : { ...target, noDelay: true }, bounds.connectTimeoutMs),
		},
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
	const stream = streamOverHttp2({
		sessions: sessionManager,
		baseUrl,
		interceptors: withLost,
		limits: messageLimits,
	});
	return {
		transport: { unary, stream },
		close: () => manager.abort(),
	};
}

function openSocket(target: NetConnectOpts, timeoutMs: number): Socket {
	const socket = connect(target);
	const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs);
	socket.once("connect", () => clearTimeout(timer));
	socket.once("close", () => clearTimeout(timer));
	return socket;
}
