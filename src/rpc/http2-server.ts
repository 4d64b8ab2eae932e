// The HTTP/2 carrier's server: cleartext, on TCP and unix sockets, within bounds, for the Connect, gRPC and gRPC-web protocols.
import {
	createServer,
	type Http2Server,
	type Http2ServerRequest,
	type Http2ServerResponse,
	constants as h2,
	type ServerHttp2Session,
} from "node:http2";
import { type AddressInfo, Server, type Socket } from "node:net";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { onDeno, servesConnections } from "../runtime.ts";
import { type Address, formatAddress, parseAddress } from "./address.ts";
import { createDispatch, type Dispatch, type RpcServer, type ServeOptions } from "./carrier.ts";
import { createStreamServer } from "./h2/server.ts";
import { fromNode, hearNode } from "./node-stream.ts";
import { readable } from "./readable.ts";
import { removeStaleSocket } from "./stale-socket.ts";
import { createStreamDispatch, type StreamDispatch } from "./stream-dispatch.ts";

/** What one peer may cost. Beyond them its stream is refused or its connection ends; other connections do not notice. */
export interface Http2Limits {
	readonly connectionsMax: number;
	/** Calls open at the same time on a connection. */
	readonly streamsMax: number;
	/** On all connections, of our own clients and of others each: beyond, calls are refused. */
	readonly callsInAllMax: number;
	readonly headerMaxBytes: number;
	readonly headerPairsMax: number;
	/** Memory of one connection for streams, headers and what waits to be sent, MB; new streams are refused beyond. */
	readonly sessionMemoryMaxMb: number;
	/** Bytes of a stream that may be on their way to a handler that does not read. */
	readonly windowBytes: number;
	/** Entries in one SETTINGS frame. */
	readonly settingsMax: number;
	readonly pingsOutstandingMax: number;
	readonly invalidFramesMax: number;
	readonly rejectedStreamsMax: number;
	/** On connections of our own clients: bytes that wait for a peer that does not read. */
	readonly unsentMaxBytes: number;
	/** There, SETTINGS frames of a connection. */
	readonly settingsFramesMax: number;
	/** There, DATA frames in a row that bring nothing. */
	readonly emptyFramesMax: number;
	/** Against rapid reset (CVE-2023-44487): streams that a peer may reset at once, and then each second. */
	readonly resetsBurst: number;
	readonly resetsPerSecond: number;
	/** A connection is asked for a sign of life so often, ms, and ends when it gave none until the next time. */
	readonly keepAliveMs: number;
}

export const http2Limits: Http2Limits = {
	connectionsMax: 256,
	streamsMax: 256,
	callsInAllMax: 1024,
	headerMaxBytes: 16 * 1024,
	headerPairsMax: 64,
	sessionMemoryMaxMb: 16,
	windowBytes: 256 * 1024,
	settingsMax: 16,
	pingsOutstandingMax: 4,
	invalidFramesMax: 100,
	rejectedStreamsMax: 100,
	unsentMaxBytes: 2 * 1024 * 1024,
	settingsFramesMax: 100,
	emptyFramesMax: 100,
	resetsBurst: 1000,
	resetsPerSecond: 33,
	keepAliveMs: 20_000,
};

/**
 * Deno's client aborts its whole process on a GOAWAY that finds streams closed (denoland/deno#36788), and its server cuts
 * the last answers when a session closes. There a closing server refuses new calls and ends the sockets after the last.
 */
const announcesEnd = !onDeno;
/** On Deno a stream says that it is closed before its last bytes have left; so long they are given, ms. */
const flushMs = 20;

/** Deno's server knows the streams of HTTP/2 only through the requests and answers around them. */
const speaksFrames = !onDeno;

/** Rejects when an address cannot be had; then nothing listens. */
export async function serveHttp2(options: ServeOptions, limits: Http2Limits = http2Limits): Promise<RpcServer> {
	const { clock, onFault } = options;
	const dispatch = createDispatch(options);
	const dispatchStream = createStreamDispatch(options);
	const streams = createStreamServer({ limits, clock, onStream: dispatchStream.accept, onFault });
	const sessions = new Set<ServerHttp2Session>();
	const sockets = new Set<Socket>();
	const servers: Http2Server[] = [];
	let closing = false;
	let underWay = 0;
	let idle = () => {};

	function onSession(session: ServerHttp2Session): void {
		sessions.add(session);
		session.on("close", () => sessions.delete(session));
		session.on("error", (error) => onFault(error, "a connection failed"));
		if (closing && announcesEnd) session.close();
	}

	function onSocket(socket: Socket): void {
		// node:http2 asks for this itself; our own streams would wait for the peer's delayed acknowledgements, 40 ms each.
		socket.setNoDelay();
		sockets.add(socket);
		socket.on("close", () => sockets.delete(socket));
	}

	function onRequest(request: Http2ServerRequest, response: Http2ServerResponse): void {
		if ((closing && !announcesEnd) || underWay >= limits.callsInAllMax) {
			refuse(response, 503);
			return;
		}
		underWay++;
		response.once("close", () => {
			if (--underWay === 0) idle();
		});
		answer(dispatch, dispatchStream, request, response, onFault);
	}

	async function listen(text: string): Promise<string> {
		const address = parseAddress(text);
		const server = createServer(sessionOptions(limits), onRequest);
		// Counted by each listener, as Node has it.
		(server as unknown as { maxConnections: number }).maxConnections = limits.connectionsMax;
		server.on("session", onSession);
		if (servesConnections) streams.putBefore(server as unknown as Server);
		server.on("connection", onSocket);
		if ("path" in address) await removeStaleSocket(address.path);
		await new Promise<void>((resolve, reject) => {
			server.once("error", reject);
			server.listen(address, () => {
				server.off("error", reject);
				server.on("error", (error) => onFault(error, "a connection could not be accepted"));
				resolve();
			});
		});
		servers.push(server);
		return formatAddress(actual(server, address));
	}

	const asked = new WeakSet<ServerHttp2Session>();
	const alive = new WeakSet<ServerHttp2Session>();
	let cancelKeepAlive = clock.after(limits.keepAliveMs, keepAlive);
	function keepAlive(): void {
		for (const session of sessions) {
			if (asked.has(session) && !alive.has(session)) session.destroy();
			else if (!session.destroyed && !session.closed) {
				alive.delete(session);
				asked.add(session);
				session.ping((error) => {
					if (error === null) alive.add(session);
				});
			}
		}
		cancelKeepAlive = clock.after(limits.keepAliveMs, keepAlive);
	}

	async function close(graceMs: number): Promise<void> {
		closing = true;
		cancelKeepAlive();
		streams.retire();
		const closed = servers.map((server) => new Promise<void>((resolve) => stopAccepting(server, resolve)));
		if (announcesEnd) {
			// Sends GOAWAY; the streams under way go on.
			for (const session of sessions) session.close();
		} else {
			idle = () => {
				clock.after(flushMs, () => {
					for (const socket of sockets) socket.end();
				});
			};
			if (underWay === 0) idle();
		}
		const cancelCut = clock.after(graceMs, () => {
			streams.destroy();
			if (announcesEnd) for (const session of sessions) session.destroy();
			else for (const socket of sockets) socket.destroy();
		});
		await Promise.all(closed);
		cancelCut();
		streams.stop();
	}

	try {
		const addresses: string[] = [];
		for (const address of options.addresses) addresses.push(await listen(address));
		return { addresses, close };
	} catch (error) {
		await close(0);
		throw error;
	}
}

/** The method of the HTTP/2 server closes its sessions too. */
function stopAccepting(server: Http2Server, done: () => void): void {
	if (announcesEnd) server.close(done);
	else Server.prototype.close.call(server as unknown as Server, done);
}

function sessionOptions(limits: Http2Limits) {
	return {
		maxSettings: limits.settingsMax,
		maxSessionMemory: limits.sessionMemoryMaxMb,
		maxHeaderListPairs: limits.headerPairsMax,
		maxOutstandingPings: limits.pingsOutstandingMax,
		maxSessionInvalidFrames: limits.invalidFramesMax,
		maxSessionRejectedStreams: limits.rejectedStreamsMax,
		streamResetBurst: limits.resetsBurst,
		streamResetRate: limits.resetsPerSecond,
		settings: {
			maxConcurrentStreams: limits.streamsMax,
			maxHeaderListSize: limits.headerMaxBytes,
			initialWindowSize: limits.windowBytes,
			enablePush: false,
		},
	};
}

function answer(
	dispatch: Dispatch,
	dispatchStream: StreamDispatch,
	request: Http2ServerRequest,
	response: Http2ServerResponse,
	onFault: ServeOptions["onFault"],
): void {
	const path = request.url.split("?", 1)[0]!;
	let universal: UniversalServerRequest;
	try {
		universal = universalRequestFromNodeRequest(request, response, undefined, undefined);
	} catch {
		// No URL can be made of its authority and path.
		refuse(response, 400);
		return;
	}
	const serve = speaksFrames ? dispatchStream.find(universal.method, path, universal.header) : undefined;
	if (serve) {
		hearNode(response.stream, serve(fromNode(response.stream), universal.header, universal.url));
		return;
	}
	const handler = dispatch(path);
	if (!handler) {
		refuse(response, 404);
		return;
	}
	handler(readable(universal, handler))
		.then((answered) => universalResponseToNodeResponse(answered, response))
		.catch((error: unknown) => {
			// The caller has gone while it was being answered; what it asked for may be done all the same.
			if (universal.signal.aborted) return;
			onFault(error, `answering ${request.url} failed`);
			if (response.stream && !response.stream.destroyed) response.stream.close(h2.NGHTTP2_INTERNAL_ERROR);
		});
}

function refuse(response: Http2ServerResponse, status: number): void {
	response.writeHead(status);
	response.end();
}

function actual(server: Http2Server, address: Address): Address {
	if ("path" in address) return address;
	return { host: address.host, port: (server.address() as AddressInfo).port };
}
