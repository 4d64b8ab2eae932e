// The server around the API: its limits, what it says when a request breaks them, and how it stops.
import {
	createServer as createHttpServer,
	type IncomingMessage,
	type Server,
	type ServerOptions,
	type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { getRequestListener, RequestError } from "@hono/node-server";
import { removeStaleSocket } from "../rpc/stale-socket.ts";
import { servesConnections } from "../runtime.ts";
import { type FastPath, putFastPathBefore } from "./fast-path.ts";
import type { AcceptPayment } from "./payments-route.ts";
import { createPipeline, type PipelineLimits } from "./pipeline.ts";
import { type Problem, problemBody, problemHeaders, problemResponse, problemStatus } from "./problem.ts";
import { rawProblem } from "./raw-answer.ts";

/** Where to listen: a port, which several processes may share, or the path of a unix socket. */
export type Listen = { readonly port: number; readonly host: string } | { readonly path: string };

/** What one caller may cost. The answers are 408, 431 or a closed connection. */
export interface ServerLimits {
	/**
	 * From the first byte of a request, or the opening of its connection, to the last byte of its header, ms; where
	 * payments are read without node:http, up to two `timeoutCheckMs` come before these two.
	 */
	readonly headersTimeoutMs: number;
	/** The same, to the last byte of its body, ms. */
	readonly requestTimeoutMs: number;
	/** How often these two are looked at, ms: one timer for all connections, none for a request. */
	readonly timeoutCheckMs: number;
	/** How long a connection may be idle, ms; longer than the 60 s of nginx.conf's upstream, so that it is nginx who closes. */
	readonly keepAliveMs: number;
	/** How long an answer may wait for its client to read on, ms. */
	readonly unreadMaxMs: number;
	readonly headerMaxBytes: number;
	readonly connectionsMax: number;
	/**
	 * Connections that may wait to be accepted: all requests that nginx.conf's `worker_connections` allow, two for each. Those
	 * beyond a unix socket refuses at once, and nginx answers 502.
	 */
	readonly backlogMax: number;
	readonly pipeline: PipelineLimits;
	/** Where payments are read without node:http: how many that one answers on a connection, which then ends, so that the next is fast again. */
	readonly requestsMax: number;
}

export const serverLimits: ServerLimits = {
	headersTimeoutMs: 5_000,
	requestTimeoutMs: 10_000,
	timeoutCheckMs: 1_000,
	keepAliveMs: 80_000,
	unreadMaxMs: 30_000,
	headerMaxBytes: 8 * 1024,
	connectionsMax: 8_192,
	backlogMax: 4_096,
	pipeline: { underWayMax: 16, waitingMax: 128 },
	requestsMax: 100,
};

export interface RunningServer {
	/** What to open or connect to: `http://host:port`, or `unix:path`. */
	readonly address: string;
	/** Stops accepting, answers what it has, and after `graceMs` cuts what is left. */
	close(graceMs: number): Promise<void>;
}

type Fetch = (request: Request) => Response | Promise<Response>;

export interface ServeOptions {
	readonly limits?: ServerLimits;
	/** Given, plain requests to POST /payments are read without node:http, where the runtime allows that. */
	readonly acceptPayment?: AcceptPayment;
	/**
	 * The longest body of a request with this target, bytes: `fetch` must refuse unread what is declared longer, as who waits
	 * to be told to go on (RFC 9110, 10.1.1) is not.
	 */
	readonly bodyMaxBytes?: (target: string) => number;
	/** Told of connections that could not be accepted. */
	readonly onError?: (error: Error) => void;
}

/** Rejects when the address cannot be had. */
export async function serveApi(fetch: Fetch, listen: Listen, options: ServeOptions = {}): Promise<RunningServer> {
	const { limits = serverLimits, acceptPayment, bodyMaxBytes, onError = process.emitWarning } = options;
	const fast = servesConnections ? acceptPayment : undefined;
	const server = createServer(fetch, limits, fast ? limits.requestsMax : Number.POSITIVE_INFINITY);
	const fastPath = fast && putFastPathBefore(server, fast, limits);
	if (bodyMaxBytes) server.on("checkContinue", goOnUpTo(bodyMaxBytes));
	if ("path" in listen) await removeStaleSocket(listen.path);
	const backlog = limits.backlogMax;
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject);
		const listening = (): void => {
			server.off("error", reject);
			resolve();
		};
		// The balancer in front may run as another user; who may reach the socket is up to its folder.
		if ("path" in listen) server.listen({ ...listen, backlog, readableAll: true, writableAll: true }, listening);
		else server.listen({ ...listen, backlog, reusePort: true }, listening);
	});
	server.on("error", onError);
	return { address: addressOf(server, listen), close: (graceMs) => close(server, fastPath, graceMs) };
}

/** The response to a connection's last request, and what is due before it: what may be written depends on them. */
const pendingKey = Symbol("pending response");
const earlierKey = Symbol("earlier response");
const requestsKey = Symbol("requests so far");
type TrackedSocket = Socket & { [pendingKey]?: TrackedResponse; [requestsKey]?: number };
type TrackedResponse = ServerResponse & { [earlierKey]?: TrackedResponse | undefined };

function track(socket: TrackedSocket, outgoing: TrackedResponse, requestsMax: number): void {
	socket[requestsKey] = (socket[requestsKey] ?? 0) + 1;
	if (socket[requestsKey] >= requestsMax) outgoing.shouldKeepAlive = false;
	const earlier = socket[pendingKey];
	if (earlier && !earlier.writableFinished) {
		outgoing[earlierKey] = earlier;
		earlier.once("finish", () => {
			outgoing[earlierKey] = undefined;
		});
	}
	socket[pendingKey] = outgoing;
}

function createServer(fetch: Fetch, limits: ServerLimits, requestsMax: number): Server {
	const serverOptions: ServerOptions = {
		headersTimeout: limits.headersTimeoutMs,
		requestTimeout: limits.requestTimeoutMs,
		connectionsCheckingInterval: limits.timeoutCheckMs,
		keepAliveTimeout: limits.keepAliveMs,
		maxHeaderSize: limits.headerMaxBytes,
		// Refused below, with a problem document.
		requireHostHeader: false,
	};
	// HTTP/1.0 may have no Host; its URL needs one all the same.
	const answer = getRequestListener(fetch, { hostname: "localhost", errorHandler: problemOfListener });
	const pipeline = createPipeline(limits.pipeline);
	const server = createHttpServer(serverOptions, (incoming, outgoing) => {
		track(incoming.socket, outgoing, requestsMax);
		const { host = [], "transfer-encoding": codings = ["chunked"] } = incoming.headersDistinct;
		if (host.length > 1 || (host.length === 0 && incoming.httpVersionMinor > 0)) return refuse(outgoing, notOneHost);
		if (codings.join().toLowerCase() !== "chunked") return refuse(outgoing, unknownCoding);
		pipeline(incoming.socket, outgoing, () => void answer(incoming, outgoing));
	});
	server.maxConnections = limits.connectionsMax;
	// Whoever sends no more may still read. Told of in no type, but in node's lib/_http_server.js.
	Object.assign(server, { httpAllowHalfOpen: true });
	server.setTimeout(limits.unreadMaxMs, (socket: TrackedSocket) => {
		const pending = socket[pendingKey];
		// Who waits for an answer that is not there yet is silent, too.
		if (!pending || pending.writableFinished || socket.writableLength > 0) socket.destroy();
	});
	server.on("clientError", ({ code = "" }: NodeJS.ErrnoException, socket: TrackedSocket) =>
		refuseConnection(socket, code === "ECONNRESET" ? undefined : (problemsByCode[code] ?? malformed)),
	);
	// Without a listener its connection would be closed without an answer.
	server.on("connect", (_: IncomingMessage, socket: TrackedSocket) => refuseConnection(socket, noTunnel));
	server.on("checkExpectation", (_, outgoing) => refuse(outgoing, unknownExpectation));
	return server;
}

function goOnUpTo(bodyMaxBytes: (target: string) => number) {
	return function (this: Server, incoming: IncomingMessage, outgoing: ServerResponse): void {
		const { url = "", headers } = incoming;
		// The body may follow all the same, so nothing else can.
		if (Number(headers["content-length"]) > bodyMaxBytes(url)) outgoing.shouldKeepAlive = false;
		else outgoing.writeContinue();
		this.emit("request", incoming, outgoing);
	};
}

const malformed: Problem = {
	kind: "malformed-request",
	detail: "The request could not be read. It was not looked at.",
};
const notOneHost: Problem = { kind: "malformed-request", detail: "HTTP/1.1 requires one Host header, and no second." };
const noTunnel: Problem = {
	kind: "method-not-allowed",
	detail: "This is no proxy: CONNECT leads nowhere.",
	headers: { allow: "GET, POST" },
};
const unknownCoding: Problem = { kind: "coding-unknown", detail: "Only chunked is understood." };
const unknownExpectation: Problem = { kind: "expectation-failed", detail: "Only 100-continue is understood." };

/** What the listener itself refuses: a target or a host of which no URL can be made. */
function problemOfListener(error: unknown): Response {
	if (error instanceof RequestError) return problemResponse(malformed);
	throw error;
}

function refuse(outgoing: ServerResponse, problem: Problem): void {
	const body = problemBody(problem);
	outgoing.writeHead(problemStatus(problem.kind), {
		...problemHeaders(problem),
		"content-length": Buffer.byteLength(body),
		connection: "close",
	});
	outgoing.end(body);
}

const problemsByCode: Readonly<Record<string, Problem>> = {
	HPE_HEADER_OVERFLOW: { kind: "headers-too-large", detail: "The request line and the header are too large." },
	HPE_CHUNK_EXTENSIONS_OVERFLOW: { kind: "body-too-large", detail: "The chunks' extensions are too large." },
	ERR_HTTP_REQUEST_TIMEOUT: { kind: "request-timeout", detail: "Send the whole request at once." },
};

/**
 * What cannot be read, or be served on a connection of requests, ends it. Requests before it that were read whole keep
 * their own answers, which are waited for: anything else written here would be taken for one of them. No `problem`: there
 * is nobody to tell it.
 */
function refuseConnection(socket: TrackedSocket, problem: Problem | undefined): void {
	const last = socket[pendingKey];
	const pending = last && !last.writableFinished ? last : undefined;
	const due = pending?.req.complete ? pending : pending?.[earlierKey];
	if (due) {
		due.shouldKeepAlive = false;
		due.once("finish", () => socket.destroySoon());
	} else if (!problem || !socket.writable || pending?.headersSent) socket.destroy();
	else socket.end(rawProblem(problem), () => socket.destroy());
}

/** How often connections that became idle are closed while the server stops, ms. */
const closeIdleEveryMs = 20;

async function close(server: Server, fastPath: FastPath | undefined, graceMs: number): Promise<void> {
	const closed = new Promise<void>((resolve) => server.close(() => resolve()));
	const closeIdle = (): void => {
		server.closeIdleConnections();
		fastPath?.closeIdle();
	};
	closeIdle();
	const idle = setInterval(closeIdle, closeIdleEveryMs);
	const cut = setTimeout(() => {
		server.closeAllConnections();
		fastPath?.closeAll();
	}, graceMs);
	await closed;
	clearInterval(idle);
	clearTimeout(cut);
}

function addressOf(server: Server, listen: Listen): string {
	if ("path" in listen) return `unix:${listen.path}`;
	const { address, family, port } = server.address() as AddressInfo;
	return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
