// Streaming calls of the Connect protocol on HTTP/2 streams, for the client's side: the relay's hot paths.
//
// It says the same bytes as connect-es and node:http2, whose async generators and streams cost several times what the
// message itself does, the more so in a process that is woken for each message: `node bench/batch-stream.ts`.
import { constants as h2 } from "node:http2";
import {
	create,
	type DescMessage,
	type DescMethodStreaming,
	isMessage,
	type MessageInitShape,
	type MessageShape,
} from "@bufbuild/protobuf";
import {
	Code,
	ConnectError,
	type ContextValues,
	createContextValues,
	type Interceptor,
	type StreamRequest,
	type StreamResponse,
	type Transport,
} from "@connectrpc/connect";
import { createMethodUrl } from "@connectrpc/connect/protocol";
import {
	requestHeader as connectHeader,
	endStreamFromJson,
	validateResponse,
} from "@connectrpc/connect/protocol-connect";
import { messageLimits } from "./carrier.ts";
import { compressedFlag, createEnvelopeReader, endFlag } from "./envelope.ts";
import type { StreamClient } from "./h2/client.ts";
import type { Field } from "./h2/hpack.ts";
import { createInbox } from "./inbox.ts";
import { messageEnvelopes } from "./message-envelopes.ts";
import { type Pump, pumpMessages } from "./pump-messages.ts";

export interface StreamCallOptions {
	readonly streams: Pick<StreamClient, "request">;
	readonly baseUrl: string;
	readonly interceptors: readonly Interceptor[];
}

/** Messages that wait for their reader before the server is held up. */
const waitingMax = 64;

export function streamOverHttp2(options: StreamCallOptions): Transport["stream"] {
	const { streams, baseUrl, interceptors } = options;
	const authority = new URL(baseUrl).host;

	/** `onOver`: all has been said, or the call has failed. */
	async function open<I extends DescMessage, O extends DescMessage>(
		method: DescMethodStreaming<I, O>,
		requestHeader: Headers,
		requests: AsyncIterable<MessageShape<I>>,
		signal: AbortSignal,
		onOver: () => void,
	) {
		const { encode } = messageEnvelopes(method.input, Code.Internal);
		const { decode } = messageEnvelopes(method.output, Code.Internal);
		const trailer = new Headers();
		const head = Promise.withResolvers<{ status: number; header: Headers }>();
		// The call may fail before anybody waits for its head.
		head.promise.catch(() => {});
		let ended = false;
		let pump: Pump | undefined;

		const inbox = createInbox<MessageShape<O>>({
			waitingMax,
			hold: (held) => stream.hold(held),
			onLeft: () => {
				stream.reset(h2.NGHTTP2_CANCEL);
				onOver();
			},
		});

		function onEnvelope(flags: number, data: Uint8Array): void {
			if (ended) throw new ConnectError("a message came after the end of the stream", Code.InvalidArgument);
			if (flags & compressedFlag) throw new ConnectError("a message is compressed", Code.Internal);
			if ((flags & endFlag) === 0) {
				inbox.push(decode(data));
				return;
			}
			ended = true;
			const { error, metadata } = endStreamFromJson(data);
			for (const [key, value] of metadata) trailer.set(key, value);
			if (error) inbox.fail(error);
		}

		function fail(error: unknown): void {
			head.reject(error);
			inbox.fail(error);
			stream.reset(h2.NGHTTP2_CANCEL);
			onOver();
		}

		signal.throwIfAborted();
		const envelopes = createEnvelopeReader(messageLimits.readMaxBytes, onEnvelope);
		const stream = streams.request(requestFields(method, authority, requestHeader), {
			onHead(fields) {
				try {
					const answered = answerOf(fields);
					if (answered.status >= 200) head.resolve(answered);
				} catch (error) {
					fail(error);
				}
			},
			onData(chunk) {
				try {
					envelopes.read(chunk);
				} catch (error) {
					fail(error);
				}
			},
			onEnd() {
				if (!ended) return fail(closing(h2.NGHTTP2_NO_ERROR));
				inbox.end();
				// There is nobody to answer what would be asked now.
				stream.reset(h2.NGHTTP2_CANCEL);
				onOver();
			},
			onDrain: () => pump?.goOn(),
			onClose(code, error) {
				pump?.stop();
				fail(error ? lost(error) : closing(code));
			},
		});
		signal.addEventListener("abort", () => fail(ConnectError.from(signal.reason, Code.Canceled)), { once: true });
		const whole = (one: MessageShape<I>) => (isMessage(one, method.input) ? one : create(method.input, one));
		try {
			pump = pumpMessages(requests, (one) => encode(whole(one)), stream);
			pump.done.then(() => stream.end(), fail);
			const { status, header } = await head.promise;
			validateResponse(method.methodKind, true, status, header);
			return { header, trailer, message: inbox };
		} catch (error) {
			fail(error);
			throw error;
		}
	}

	return async <I extends DescMessage, O extends DescMessage>(
		method: DescMethodStreaming<I, O>,
		...[signal, timeoutMs, header, input, contextValues]: StreamArguments<I>
	) => {
		const ms = timeoutMs === undefined || timeoutMs <= 0 ? undefined : timeoutMs;
		const call = callSignal(signal, ms);
		const innermost = async (request: StreamRequest<I, O>): Promise<StreamResponse<I, O>> => ({
			stream: true,
			service: request.service,
			method: request.method,
			...(await open(request.method, request.header, request.message, request.signal, call.over)),
		});
		const outermost = interceptors.reduceRight(
			(next, interceptor) => interceptor(next),
			innermost as unknown as ReturnType<Interceptor>,
		);
		const request: StreamRequest<I, O> = {
			stream: true,
			service: method.parent,
			method,
			requestMethod: "POST",
			url: createMethodUrl(baseUrl, method),
			header: connectHeader(method.methodKind, true, ms, header, true),
			contextValues: contextValues ?? createContextValues(),
			// Made whole right before it is sent.
			message: input as AsyncIterable<MessageShape<I>>,
			signal: call.signal,
		};
		try {
			return (await outermost(request)) as unknown as StreamResponse<I, O>;
		} catch (error) {
			call.over();
			throw ConnectError.from(error);
		}
	};
}

type StreamArguments<I extends DescMessage> = [
	signal: AbortSignal | undefined,
	timeoutMs: number | undefined,
	header: HeadersInit | undefined,
	input: AsyncIterable<MessageInitShape<I>>,
	contextValues?: ContextValues,
];

/** Aborts with the caller's signal, or after its time. `over`: neither matters any more. */
function callSignal(given: AbortSignal | undefined, timeoutMs: number | undefined) {
	const controller = new AbortController();
	const onAbort = (): void => controller.abort(given?.reason);
	if (given?.aborted) onAbort();
	else given?.addEventListener("abort", onAbort, { once: true });
	const late = (): void => controller.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
	const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
	return {
		signal: controller.signal,
		over() {
			clearTimeout(timer);
			given?.removeEventListener("abort", onAbort);
		},
	};
}

function requestFields(method: DescMethodStreaming, authority: string, header: Headers): Field[] {
	return [
		[":method", "POST"],
		[":scheme", "http"],
		[":authority", authority],
		[":path", `/${method.parent.typeName}/${method.name}`],
		...header,
	];
}

function answerOf(fields: readonly Field[]): { status: number; header: Headers } {
	const header = new Headers();
	let status = 0;
	for (const [name, value] of fields) {
		if (name === ":status") status = Number(value);
		else header.append(name, value);
	}
	return { status, header };
}

function lost(error: Error): ConnectError {
	return new ConnectError(error.message, Code.Unavailable, undefined, undefined, error);
}

function closing(code: number): ConnectError {
	if (code === h2.NGHTTP2_ENHANCE_YOUR_CALM)
		return new ConnectError("the server is asked too much", Code.ResourceExhausted);
	if (code === h2.NGHTTP2_NO_ERROR || code === h2.NGHTTP2_CANCEL || code === h2.NGHTTP2_REFUSED_STREAM)
		return new ConnectError("the connection ended before the stream did", Code.Unavailable);
	return new ConnectError(`the stream was reset with code ${code}`, Code.Internal);
}
