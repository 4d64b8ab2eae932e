// Streaming calls of the Connect protocol on HTTP/2 streams, for the server's side of the relay's hot paths.
//
// It says the same bytes as connect-es, over a stream of our own HTTP/2 (h2/) or of node:http2 (node-stream.ts): stream-dispatch.ts
// tells which streams come here.
import { constants as h2 } from "node:http2";
import { create, type DescMessage, isMessage, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import {
	Code,
	ConnectError,
	createHandlerContext,
	type HandlerContext,
	type Interceptor,
	type MethodImplSpec,
	type StreamResponse,
} from "@connectrpc/connect";
import {
	contentTypeStreamProto,
	endStreamToJson,
	headerTimeout,
	parseTimeout,
} from "@connectrpc/connect/protocol-connect";
import { timerMaxMs } from "../clock.ts";
import { messageLimits } from "./carrier.ts";
import { compressedFlag, createEnvelopeReader, encodeEnvelope, endFlag } from "./envelope.ts";
import { nobody, type Stream, type StreamEvents } from "./h2/stream.ts";
import { createInbox } from "./inbox.ts";
import { messageEnvelopes } from "./message-envelopes.ts";
import { type Pump, pumpMessages } from "./pump-messages.ts";

/** Serves a stream whose request has this header, and hears of it. */
export type Serve = (stream: Stream, header: Headers, url: string) => StreamEvents;

type Spec = Exclude<MethodImplSpec, { kind: "unary" }>;

/** Messages that wait for their reader before the client is held up. */
const waitingMax = 64;

export function serveStream(
	spec: Spec,
	interceptors: readonly Interceptor[],
	onFault: (error: unknown, what: string) => void,
): Serve {
	const { method } = spec;
	const { decode } = messageEnvelopes(method.input, Code.InvalidArgument);
	const { encode } = messageEnvelopes(method.output, Code.Internal);

	return (stream, header, url) => {
		const timeout = parseTimeout(header.get(headerTimeout), timerMaxMs);
		const gone = new AbortController();
		const context = createHandlerContext({
			service: method.parent,
			method,
			requestMethod: "POST",
			protocolName: "connect",
			requestHeader: header,
			requestSignal: gone.signal,
			url,
			...(timeout.timeoutMs !== undefined && !timeout.error && { timeoutMs: timeout.timeoutMs }),
		});
		const requests = createInbox<Message>({
			waitingMax,
			hold: (held) => stream.hold(held),
			// What still comes is thrown away, so that the client can end its side.
			onLeft: () => stream.hold(false),
		});
		const envelopes = createEnvelopeReader(messageLimits.readMaxBytes, (flags, data) => {
			if (flags & compressedFlag) throw new ConnectError("a message is compressed", Code.Internal);
			if (flags & endFlag) throw new ConnectError("only an answer has a last envelope", Code.InvalidArgument);
			requests.push(decode(data));
		});
		let pump: Pump | undefined;
		let answered = false;

		function head(): void {
			if (answered) return;
			answered = true;
			stream.answer([[":status", "200"], ["content-type", contentTypeStreamProto], ...context.responseHeader]);
		}

		async function answer(): Promise<void> {
			if (timeout.error) throw timeout.error;
			const { message } = await invoke(spec, context, requests, interceptors);
			const full = (one: Message | MessageInitShape<DescMessage>) =>
				isMessage(one, method.output) ? one : create(method.output, one);
			pump = pumpMessages(
				message,
				(one) => {
					// A handler may set headers until it gives its first message.
					head();
					return encode(full(one));
				},
				stream,
			);
			if (stream.closed) pump.stop();
			await pump.done;
		}

		function end(failure?: ConnectError): void {
			context.abort(failure);
			requests.end();
			// What still comes is thrown away. A stream that is held up would never close.
			stream.hold(false);
			if (!stream.writable) return;
			head();
			const ending = JSON.stringify(endStreamToJson(context.responseTrailer, failure, undefined));
			stream.end(encodeEnvelope(endFlag, Buffer.from(ending)));
		}

		answer()
			.then(
				() => end(),
				(error: unknown) => end(asConnectError(error)),
			)
			.catch((error: unknown) => {
				// Once an answer has begun, only how its stream ends can say that it failed.
				onFault(error, `answering ${url} failed`);
				stream.reset(h2.NGHTTP2_INTERNAL_ERROR);
			});

		return {
			...nobody,
			onData(chunk) {
				try {
					envelopes.read(chunk);
				} catch (error) {
					requests.fail(error);
				}
			},
			onEnd() {
				if (envelopes.cut) requests.fail(new ConnectError("the stream ended within a message", Code.InvalidArgument));
				else requests.end();
			},
			onDrain: () => pump?.goOn(),
			onClose() {
				const why = new ConnectError("the caller has gone", Code.Canceled);
				gone.abort(why);
				requests.fail(why);
				pump?.stop();
			},
		};
	};
}

/** The handler behind its interceptors, as connect-es calls it. */
function invoke(
	spec: Spec,
	context: HandlerContext,
	requests: AsyncIterable<Message>,
	interceptors: readonly Interceptor[],
): Promise<{ message: AsyncIterable<Message | MessageInitShape<DescMessage>> }> {
	const { method } = spec;
	type Call = Parameters<ReturnType<Interceptor>>[0];
	const handler = async (call: Call): Promise<StreamResponse> => {
		const { header: requestHeader, signal, contextValues: values } = call;
		const seen = { ...context, requestHeader, signal, values };
		const input = call.message as AsyncIterable<Message>;
		const message = await carryOut(spec, input, seen);
		const { responseHeader: header, responseTrailer: trailer } = context;
		return {
			stream: true,
			service: method.parent,
			method,
			header,
			trailer,
			message: message as AsyncIterable<Message>,
		};
	};
	const outermost = interceptors.reduceRight(
		(next, interceptor) => interceptor(next),
		handler as ReturnType<Interceptor>,
	);
	return outermost({
		stream: true,
		service: method.parent,
		method,
		requestMethod: context.requestMethod,
		url: context.url,
		signal: context.signal,
		header: context.requestHeader,
		contextValues: context.values,
		message: requests,
	}) as Promise<StreamResponse>;
}

async function carryOut(
	spec: Spec,
	requests: AsyncIterable<Message>,
	context: HandlerContext,
): Promise<AsyncIterable<Message | MessageInitShape<DescMessage>>> {
	if (spec.kind === "bidi_streaming") return spec.impl(requests, context);
	if (spec.kind === "server_streaming") return spec.impl(await onlyOne(requests), context);
	return one(await spec.impl(requests, context));
}

async function* one<T>(value: T): AsyncGenerator<T> {
	yield value;
}

async function onlyOne(messages: AsyncIterable<Message>): Promise<Message> {
	const it = messages[Symbol.asyncIterator]();
	const first = await it.next();
	if (first.done) throw new ConnectError("the request's message is missing", Code.Unimplemented);
	const second = await it.next();
	if (!second.done) throw new ConnectError("the request has more than one message", Code.Unimplemented);
	return first.value;
}

function asConnectError(error: unknown): ConnectError {
	if (error instanceof ConnectError) return error;
	return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
}
