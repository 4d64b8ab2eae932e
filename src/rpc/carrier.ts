// What carries calls between processes: a server side that takes routes and listens, a client side that gives a transport.
//
// A carrier is a pair of functions, such as `serveHttp2` and `connectHttp2`. One that is not HTTP (a broker, say) needs two
// things only: on the client side a `UniversalClientFn` for `transportOver`, on the server side the handlers that
// `createDispatch` finds by path. Errors, headers, trailers, deadlines, cancellation and all four kinds of calls then come
// with them. The bodies that it gives must be async iterables whose iterators implement `throw`.
import { type ConnectRouter, createConnectRouter, type Interceptor, type Transport } from "@connectrpc/connect";
import type { UniversalClientFn, UniversalHandler } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import { type Clock, timerMaxMs } from "../clock.ts";

/** Registers services, as `ConnectRouter.service` does. */
export type Routes = (router: ConnectRouter) => void;

/** The largest message in either direction. A batch of 1,024 items is about 64 KiB. */
const messageMaxBytes = 1024 * 1024;

export const messageLimits = { readMaxBytes: messageMaxBytes, writeMaxBytes: messageMaxBytes };

export interface ServeOptions {
	readonly routes: Routes;
	/** Those of `edgeInterceptors`, and whatever else is to see each call; the first is the outermost. */
	readonly interceptors?: readonly Interceptor[];
	/** `host:port` or `unix:PATH`, or what the carrier understands; all of them serve the same routes. */
	readonly addresses: readonly string[];
	readonly clock: Clock;
	/** Told what went wrong with a connection or with writing an answer: nobody else can be told. */
	readonly onFault: (error: unknown, what: string) => void;
}

export interface RpcServer {
	/** Where it is to be reached, in the order asked for; a port 0 has become the real one. */
	readonly addresses: readonly string[];
	/** Stops accepting, lets the calls under way end, and after `graceMs` cuts what is left. */
	close(graceMs: number): Promise<void>;
}

export interface ConnectOptions {
	readonly interceptors?: readonly Interceptor[];
}

export interface RpcClient {
	/** Connects when it is used, and again whenever its connection is gone. */
	readonly transport: Transport;
	/** Cuts what is open: calls end with CANCELED or UNAVAILABLE, later ones with UNAVAILABLE. */
	close(): void;
}

/** The handler that serves a path of the form `/package.Service/Method`. */
export type Dispatch = (path: string) => UniversalHandler | undefined;

export interface DispatchOptions {
	readonly routes: Routes;
	readonly interceptors?: readonly Interceptor[];
}

/** All handlers of the routes. Messages are never compressed: on one machine that costs more than it saves. */
export function createHandlers({ routes, interceptors = [] }: DispatchOptions): UniversalHandler[] {
	const router = createConnectRouter({
		interceptors: [...interceptors],
		acceptCompression: [],
		maxTimeoutMs: timerMaxMs,
		...messageLimits,
	});
	routes(router);
	return router.handlers;
}

export function createDispatch(options: DispatchOptions): Dispatch {
	const byPath = new Map(createHandlers(options).map((handler) => [handler.requestPath, handler]));
	return (path) => byPath.get(path);
}

/** A transport over whatever carries one request and its answer. */
export function transportOver(
	httpClient: UniversalClientFn,
	baseUrl: string,
	{ interceptors = [] }: ConnectOptions = {},
): Transport {
	const transport = createTransport({
		httpClient,
		baseUrl,
		useBinaryFormat: true,
		interceptors: [...interceptors],
		acceptCompression: [],
		sendCompression: null,
		compressMinBytes: Number.MAX_SAFE_INTEGER,
		...messageLimits,
	});
	return withinTimers(transport);
}

/** A call's time beyond what a timer can measure, 24 days, is cut to that: such a timer would go off at once. */
export function withinTimers({ unary, stream }: Transport): Transport {
	const cut = (timeoutMs: number | undefined) => timeoutMs && Math.min(timeoutMs, timerMaxMs);
	return {
		unary: (method, signal, timeoutMs, ...rest) => unary(method, signal, cut(timeoutMs), ...rest),
		stream: (method, signal, timeoutMs, ...rest) => stream(method, signal, cut(timeoutMs), ...rest),
	};
}
