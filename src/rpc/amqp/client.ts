// The AMQP carrier's requester: one mailbox for all answers, calls told apart by their correlation ids.
//
// A call waits in its service's durable queue until somebody serves it, within its deadline: speed gives way to
// availability. It ends at once with UNAVAILABLE where no such queue is, or when the broker is lost under it.
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalClientFn, UniversalClientRequest, UniversalClientResponse } from "@connectrpc/connect/protocol";
import { errorFromJsonBytes, headerTimeout } from "@connectrpc/connect/protocol-connect";
import type { AmqpConnection } from "../../amqp/connection.ts";
import { PublishError } from "../../amqp/message.ts";
import type { Clock } from "../../clock.ts";
import { type ConnectOptions, type RpcClient, transportOver } from "../carrier.ts";
import { type AmqpRpcBounds, amqpRpcBounds } from "./bounds.ts";
import { type AmqpRpcCounters, createAmqpRpcCounters } from "./counters.ts";
import { headersFit, type ReceivedFrame, type Request, requestProperties } from "./frame.ts";
import { brokerLost, requestFailure } from "./lost.ts";
import { openMailbox } from "./mailbox.ts";
import { requestQueue } from "./names.ts";
import { requestIdHeader, retryIdempotent } from "./retry.ts";
import { createStream, tellOver } from "./stream.ts";

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
	/** False: it is none of its. */
	receive(frame: ReceivedFrame): boolean;
	/** `cancel`: and tells whoever serves it. */
	fail(error: unknown, cancel: boolean): void;
}

const streamContentType = "application/connect+";

export function connectAmqpRpc(options: AmqpRpcClientOptions): AmqpRpcClient {
	const { connection, namespace, clock, interceptors = [] } = options;
	const bounds = { ...amqpRpcBounds, ...options.bounds };
	const counters = createAmqpRpcCounters();
	const calls = new Map<string, Call>();
	const caller = crypto.randomUUID();

	const mailbox = openMailbox({
		connection,
		namespace,
		clock,
		bounds,
		counters,
		onFrame(frame) {
			const taken = calls.get(frame.call)?.receive(frame) ?? false;
			// Somebody serves a call that is over, or that another one serves.
			if (!taken && frame.kind === "accept" && frame.from !== undefined) tellOver(mailbox, frame.from, frame.call);
			return taken;
		},
		onLost: (cause) => failAll(brokerLost(cause), false),
	});

	function failAll(error: ConnectError, cancel: boolean): void {
		for (const call of [...calls.values()]) call.fail(error, cancel);
	}

	async function ready(signal?: AbortSignal): Promise<void> {
		try {
			await mailbox.ready(signal);
		} catch (error) {
			throw requestFailure(error, namespace);
		}
	}

	/** Publishes the request once the broker is there, where it waits for `waitMaxMs` at most; the call is known before. */
	async function publish(
		request: UniversalClientRequest,
		call: string,
		body: Uint8Array,
		waitMaxMs: number,
		signal: AbortSignal,
	) {
		const path = new URL(request.url).pathname;
		const service = path.slice(1, path.lastIndexOf("/"));
		const timeoutMs = Number(request.header.get(headerTimeout) ?? Number.NaN);
		const deadlineMs = Number.isNaN(timeoutMs) ? undefined : clock.now() + timeoutMs;
		while (mailbox.name === undefined) await ready(signal);
		const leftMs = deadlineMs === undefined ? waitMaxMs : deadlineMs - clock.now();
		const asked: Request = {
			path,
			call,
			replyTo: mailbox.name,
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
					properties: requestProperties(asked, Math.min(leftMs, waitMaxMs)),
				},
				signal,
			);
		} catch (error) {
			if (error instanceof PublishError && error.failure === "unroutable") counters.unroutable++;
			throw requestFailure(error, service);
		}
	}

	function admit(header: Headers): string {
		if (calls.size >= bounds.callsMax)
			throw new ConnectError(`${bounds.callsMax} calls are open`, Code.ResourceExhausted);
		if (!headersFit(header, bounds)) {
			const text = `more than ${bounds.headerPairsMax} headers, or ${bounds.headerBytesMax} bytes of them`;
			throw new ConnectError(text, Code.ResourceExhausted);
		}
		// Nobody guesses it, and so nobody answers a call who was not given it.
		return crypto.randomUUID();
	}

	async function unary(request: UniversalClientRequest): Promise<UniversalClientResponse> {
		const id = admit(request.header);
		const over = new AbortController();
		const answer = Promise.withResolvers<ReceivedFrame>();
		let server: string | undefined;
		const end = (error: unknown, cancel: boolean) => {
			answer.reject(error);
			if (cancel && server !== undefined) tellOver(mailbox, server, id);
		};
		const abort = () => end(request.signal?.reason, true);
		const cancelLimit = clock.after(bounds.unaryMaxMs, () =>
			end(new ConnectError(`no answer within ${bounds.unaryMaxMs} ms`, Code.DeadlineExceeded), true),
		);
		calls.set(id, {
			receive(frame) {
				if (frame.kind === "answer") {
					// A second one may be in the same read.
					calls.delete(id);
					answer.resolve(frame);
				} else if (frame.kind === "accept") server = frame.from;
				else return false;
				return true;
			},
			fail: end,
		});
		try {
			if (request.signal?.aborted) throw request.signal.reason;
			request.signal?.addEventListener("abort", abort, { once: true });
			gather(request.body)
				.then((body) => publish(request, id, body, bounds.unaryMaxMs, over.signal))
				.catch(answer.reject);
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
			// A server has no reason to give up a stream but that it has to.
			cancelCode: Code.Unavailable,
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
		const cancelLimit = clock.after(bounds.acceptMaxMs, () => {
			if (side.peer === undefined)
				side.end(new ConnectError(`nobody took the stream within ${bounds.acceptMaxMs} ms`, Code.Unavailable), false);
		});
		calls.set(id, {
			receive(frame) {
				if (frame.kind === "answer") side.end(refusal(frame), false);
				else if (frame.from === undefined) return false;
				else if (frame.kind === "accept" && side.peer === undefined) side.attach(frame.from);
				// A request that was given out twice is served twice, for a moment.
				else if (frame.from !== side.peer) return false;
				else if (frame.kind !== "accept") side.receive(frame);
				return true;
			},
			fail: side.end,
		});
		if (request.signal?.aborted) abort();
		request.signal?.addEventListener("abort", abort, { once: true });
		publish(request, id, nothing, bounds.acceptMaxMs, side.over).catch((error: unknown) => side.end(error, false));
		side.sendBody(request.body ?? once(nothing)).then(
			() => side.send({ kind: "end" }),
			(error: unknown) => side.end(error, true),
		);
		const { status, header } = await head.promise;
		return { status: status!, header: header ?? new Headers(), body: side.incoming, trailer: side.trailer };
	}

	const httpClient: UniversalClientFn = (request) =>
		(request.header.get("content-type") ?? "").startsWith(streamContentType) ? stream(request) : unary(request);
	const retry = retryIdempotent(bounds.attemptsMax, ready, clock, counters);
	return {
		transport: transportOver(httpClient, "http://amqp", { interceptors: [...interceptors, retry] }),
		counters,
		ready,
		async close() {
			failAll(new ConnectError("the client is closed", Code.Canceled), true);
			await mailbox.close();
		},
	};
}

const nothing = new Uint8Array();

/** A stream that was not taken is answered as a unary call is; by what is no error where its server is none of ours. */
function refusal({ body, header }: ReceivedFrame): ConnectError {
	const unclear = new ConnectError("the stream was refused", Code.Unavailable);
	try {
		return errorFromJsonBytes(body, header, unclear);
	} catch {
		return unclear;
	}
}

async function gather(body: AsyncIterable<Uint8Array> = once(nothing)): Promise<Uint8Array> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of body) chunks.push(chunk);
	return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

async function* once(body: Uint8Array): AsyncGenerator<Uint8Array> {
	if (body.byteLength > 0) yield body;
}
