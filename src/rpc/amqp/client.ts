// The AMQP carrier's requester: one mailbox for all answers, calls told apart by their correlation ids.
//
// A call waits in its service's durable queue until somebody serves it, within its deadline: speed gives way to
// availability. It ends at once with UNAVAILABLE where no such queue is, or when the broker is lost under it.
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalClientFn, UniversalClientRequest, UniversalClientResponse } from "@connectrpc/connect/protocol";
import { errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import type { AmqpConnection } from "../../amqp/connection.ts";
import type { Clock } from "../../clock.ts";
import { type ConnectOptions, type RpcClient, transportOver } from "../carrier.ts";
import { type AmqpRpcBounds, amqpRpcBounds } from "./bounds.ts";
import { type AmqpRpcCounters, createAmqpRpcCounters } from "./counters.ts";
import { type ReceivedFrame, type Request, requestProperties } from "./frame.ts";
import { brokerLost, requestFailure } from "./lost.ts";
import { openMailbox } from "./mailbox.ts";
import { requestQueue } from "./names.ts";
import { requestIdHeader, retryIdempotent } from "./retry.ts";
import { createStream } from "./stream.ts";

export interface AmqpRpcClientOptions extends ConnectOptions {
	/** Not closed with the client. */
	readonly connection: AmqpConnection;
	readonly namespace: string;
	readonly clock: Clock;
	readonly bounds?: Partial<AmqpRpcBounds>;
}

export interface AmqpRpcClient extends RpcClient {
	readonly counters: Readonly<AmqpRpcCounters>;
	/** Resolves once calls can be made. */
	ready(signal?: AbortSignal): Promise<void>;
	close(): Promise<void>;
}

/** A call that is open: it takes the frames that name it, and ends. */
interface Call {
	receive(frame: ReceivedFrame): void;
	fail(error: unknown): void;
}

const timeoutHeader = "connect-timeout-ms";
const streamContentType = "application/connect+";

export function connectAmqpRpc(options: AmqpRpcClientOptions): AmqpRpcClient {
	const { connection, namespace, clock, interceptors = [] } = options;
	const bounds = { ...amqpRpcBounds, ...options.bounds };
	const counters = createAmqpRpcCounters();
	const calls = new Map<string, Call>();
	const caller = crypto.randomUUID();
	let numbered = 0;

	const mailbox = openMailbox({
		connection,
		namespace,
		clock,
		bounds,
		counters,
		onFrame(frame) {
			const call = calls.get(frame.call);
			if (call) call.receive(frame);
			else {
				counters.late++;
				// Somebody serves a call that is over.
				if (frame.kind === "accept") tellOver(frame);
			}
		},
		onLost: (cause) => failAll(brokerLost(cause)),
	});

	function tellOver({ from, call }: ReceivedFrame): void {
		if (from === undefined) return;
		mailbox.post(from, { kind: "cancel", call }).catch(() => {
			// It has gone as well.
		});
	}

	function failAll(error: ConnectError): void {
		for (const call of [...calls.values()]) call.fail(error);
	}

	/** Publishes the request once the broker is there; the call is known before. */
	async function publish(request: UniversalClientRequest, call: string, body: Uint8Array, signal: AbortSignal) {
		const path = new URL(request.url).pathname;
		const service = path.slice(1, path.lastIndexOf("/"));
		await mailbox.ready(signal);
		const timeoutMs = Number(request.header.get(timeoutHeader) ?? Number.NaN);
		const deadlineMs = Number.isNaN(timeoutMs) ? undefined : clock.now() + timeoutMs;
		const asked: Request = {
			path,
			call,
			replyTo: mailbox.name!,
			caller,
			requestId: request.header.get(requestIdHeader) ?? call,
			header: request.header,
			body,
			...(deadlineMs !== undefined && { deadlineMs }),
		};
		counters.calls++;
		try {
			await mailbox.publish(
				{
					exchange: "",
					routingKey: requestQueue(namespace, service),
					body,
					messageId: `request ${call}`,
					properties: requestProperties(asked, Math.min(timeoutMs || bounds.unaryMaxMs, bounds.unaryMaxMs)),
				},
				signal,
			);
		} catch (error) {
			const failure = requestFailure(error, service);
			if (failure instanceof ConnectError && failure.code === Code.Unavailable) counters.unroutable++;
			throw failure;
		}
	}

	function admit(header: Headers): string {
		if (calls.size >= bounds.callsMax)
			throw new ConnectError(`${bounds.callsMax} calls are open`, Code.ResourceExhausted);
		let bytes = 0;
		for (const [name, value] of header) bytes += name.length + value.length;
		if (bytes > bounds.headerBytesMax)
			throw new ConnectError(`more than ${bounds.headerBytesMax} bytes of headers`, Code.ResourceExhausted);
		return String(++numbered);
	}

	async function unary(request: UniversalClientRequest): Promise<UniversalClientResponse> {
		const id = admit(request.header);
		const body = await gather(request.body);
		const over = new AbortController();
		const answer = Promise.withResolvers<ReceivedFrame>();
		let server: string | undefined;
		const abort = () => {
			answer.reject(request.signal?.reason);
			if (server !== undefined) tellOver({ kind: "accept", call: id, from: server, body });
		};
		const cancelLimit = clock.after(bounds.unaryMaxMs, () =>
			answer.reject(new ConnectError(`no answer within ${bounds.unaryMaxMs} ms`, Code.DeadlineExceeded)),
		);
		calls.set(id, {
			receive(frame) {
				if (frame.kind === "answer") answer.resolve(frame);
				else if (frame.kind === "accept") server = frame.from;
			},
			fail: answer.reject,
		});
		try {
			if (request.signal?.aborted) throw request.signal.reason;
			request.signal?.addEventListener("abort", abort, { once: true });
			publish(request, id, body, over.signal).catch(answer.reject);
			const { status, header, trailer, body: answered } = await answer.promise;
			return {
				status: status!,
				header: header ?? new Headers(),
				trailer: trailer ?? new Headers(),
				body: once(answered),
			};
		} finally {
			calls.delete(id);
			cancelLimit();
			request.signal?.removeEventListener("abort", abort);
			over.abort();
		}
	}

	async function stream(request: UniversalClientRequest): Promise<UniversalClientResponse> {
		const id = admit(request.header);
		const head = Promise.withResolvers<ReceivedFrame>();
		const side = createStream({
			call: id,
			mailbox,
			bounds,
			onHead: head.resolve,
			onEnd: () => side.end(undefined, false),
			onOver(error) {
				calls.delete(id);
				cancelLimit();
				request.signal?.removeEventListener("abort", abort);
				head.reject(error);
			},
		});
		// Whoever awaits it, awaits it below; a stream may be over before.
		head.promise.catch(() => {});
		const abort = () => side.end(request.signal?.reason, true);
		const cancelLimit = clock.after(bounds.unaryMaxMs, () => {
			if (side.peer === undefined)
				side.end(new ConnectError(`nobody took the stream within ${bounds.unaryMaxMs} ms`, Code.Unavailable), false);
		});
		calls.set(id, {
			receive(frame) {
				if (frame.kind === "answer") side.end(refusal(frame), false);
				else if (frame.kind !== "accept") side.receive(frame);
				else if (side.peer === undefined && frame.from !== undefined) side.attach(frame.from);
				else if (side.peer !== frame.from) tellOver(frame);
			},
			fail: (error) => side.end(error, false),
		});
		if (request.signal?.aborted) abort();
		request.signal?.addEventListener("abort", abort, { once: true });
		publish(request, id, nothing, side.over).catch((error: unknown) => side.end(error, false));
		side.sendBody(request.body ?? once(nothing)).then(
			() => side.send({ kind: "end" }),
			(error: unknown) => side.end(error, true),
		);
		const { status, header } = await head.promise;
		return { status: status!, header: header ?? new Headers(), body: side.incoming, trailer: side.trailer };
	}

	const httpClient: UniversalClientFn = (request) =>
		(request.header.get("content-type") ?? "").startsWith(streamContentType) ? stream(request) : unary(request);
	const retry = retryIdempotent(bounds.attemptsMax, (signal) => mailbox.ready(signal), counters);
	return {
		transport: transportOver(httpClient, "http://amqp", { interceptors: [...interceptors, retry] }),
		counters,
		ready: mailbox.ready,
		async close() {
			failAll(new ConnectError("the client is closed", Code.Canceled));
			await mailbox.close();
		},
	};
}

const nothing = new Uint8Array();

/** A stream that was not taken is answered as a unary call is. */
function refusal({ body, header }: ReceivedFrame): ConnectError {
	const unclear = new ConnectError("the stream was refused", Code.Unavailable);
	return errorFromJsonBytes(body, header, unclear);
}

async function gather(body: AsyncIterable<Uint8Array> = once(nothing)): Promise<Uint8Array> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of body) chunks.push(chunk);
	return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

async function* once(body: Uint8Array): AsyncGenerator<Uint8Array> {
	if (body.byteLength > 0) yield body;
}
