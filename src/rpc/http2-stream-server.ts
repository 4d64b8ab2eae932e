// Streaming calls of the Connect protocol straight on an HTTP/2 stream, for the server's side of the hot paths.
//
// It says the same bytes as connect-es, and leaves to it every call that is not binary Connect without compression, and
// every kind of call that is not streamed both ways or to the client.
import { type Http2ServerRequest, type Http2ServerResponse, constants as h2, type ServerHttp2Stream } from "node:http2";
import { create, type DescMessage, isMessage, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import {
	Code,
	ConnectError,
	type ConnectRouter,
	createHandlerContext,
	createServiceImplSpec,
	type HandlerContext,
	type Interceptor,
	type MethodImplSpec,
	type StreamResponse,
} from "@connectrpc/connect";
import { createMethodSerializationLookup } from "@connectrpc/connect/protocol";
import {
	contentTypeStreamProto,
	endStreamToJson,
	headerStreamEncoding,
	headerTimeout,
	parseTimeout,
} from "@connectrpc/connect/protocol-connect";
import { universalRequestFromNodeRequest } from "@connectrpc/connect-node";
import { type MessageLimits, messageLimits, type Routes } from "./carrier.ts";
import { compressedFlag, createFrameReader, encodeFrame, endFlag } from "./frames.ts";
import { createInbox, type Inbox } from "./inbox.ts";
import { isOpen, pumpFrames } from "./pump-frames.ts";

type Spec = Extract<MethodImplSpec, { kind: "bidi_streaming" | "server_streaming" }>;
/** Answers the call, and resolves when that is done. Throws where no URL can be made of the request. */
type Serve = (request: Http2ServerRequest, response: Http2ServerResponse) => Promise<void>;
/** What serves this request; `undefined` where connect-es is to do it. */
export type StreamDispatch = (request: Http2ServerRequest, path: string) => Serve | undefined;

export interface StreamServerOptions {
	readonly routes: Routes;
	readonly interceptors?: readonly Interceptor[];
	readonly limits?: MessageLimits;
}

/** Messages that wait for their reader before the client is held up. */
const waitingMax = 64;

export function createStreamDispatch(options: StreamServerOptions): StreamDispatch {
	const { routes, interceptors = [], limits = messageLimits } = options;
	const byPath = new Map<string, Serve>();
	const collect: ConnectRouter = {
		handlers: [],
		service(service, implementation) {
			for (const spec of Object.values(createServiceImplSpec(service, implementation).methods))
				if (spec.kind === "bidi_streaming" || spec.kind === "server_streaming")
					byPath.set(`/${service.typeName}/${spec.method.name}`, serveStream(spec, interceptors, limits));
			return collect;
		},
		rpc: () => collect,
	};
	routes(collect);
	return ({ method, headers }, path) => {
		const plain = method === "POST" && headers["content-type"] === contentTypeStreamProto;
		const encoding = headers[headerStreamEncoding.toLowerCase()] ?? "identity";
		return plain && encoding === "identity" ? byPath.get(path) : undefined;
	};
}

function serveStream(spec: Spec, interceptors: readonly Interceptor[], limits: MessageLimits): Serve {
	const { method } = spec;
	const serialization = createMethodSerializationLookup(method, undefined, undefined, limits);
	const { parse } = serialization.getI(true);
	const { serialize } = serialization.getO(true);

	return async (request, response) => {
		const { url, header, signal } = universalRequestFromNodeRequest(request, response, undefined, undefined);
		const { stream } = response;
		const timeout = parseTimeout(header.get(headerTimeout), Number.MAX_SAFE_INTEGER);
		const context = createHandlerContext({
			service: method.parent,
			method,
			requestMethod: "POST",
			protocolName: "connect",
			requestHeader: header,
			requestSignal: signal,
			url,
			...(timeout.timeoutMs !== undefined && { timeoutMs: timeout.timeoutMs }),
		});
		const requests = receive(stream, parse, limits);
		const head = (): void => {
			if (stream.headersSent || stream.destroyed) return;
			stream.respond({
				":status": 200,
				"content-type": contentTypeStreamProto,
				...Object.fromEntries(context.responseHeader),
			});
		};
		let failure: ConnectError | undefined;
		try {
			if (timeout.error) throw timeout.error;
			const { message } = await invoke(spec, context, requests, interceptors);
			await pumpFrames(
				message,
				(one) => {
					// A handler may set headers until it gives its first message.
					head();
					return serialize(isMessage(one, method.output) ? one : create(method.output, one));
				},
				stream,
			);
		} catch (error) {
			failure = asConnectError(error);
		}
		context.abort(failure);
		requests.end();
		// What still comes is thrown away. A stream that is held up would never close.
		stream.resume();
		if (!isOpen(stream)) return;
		head();
		const ending = JSON.stringify(endStreamToJson(context.responseTrailer, failure, undefined));
		stream.end(encodeFrame(endFlag, Buffer.from(ending)), () => {
			// The caller may keep its side open for ever; a whole answer may ask it to stop (RFC 9113, section 8.1).
			if (failure && !stream.closed && !stream.readableEnded) stream.close(h2.NGHTTP2_NO_ERROR);
		});
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
		const message = spec.kind === "bidi_streaming" ? spec.impl(input, seen) : spec.impl(await onlyOne(input), seen);
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

function receive(
	stream: ServerHttp2Stream,
	parse: (data: Uint8Array) => Message,
	limits: MessageLimits,
): Inbox<Message> {
	const inbox = createInbox<Message>({
		waitingMax,
		hold: (held) => void (held ? stream.pause() : stream.resume()),
		// What still comes is thrown away, so that the client can end its side.
		onLeft: () => void stream.resume(),
	});
	const frames = createFrameReader(limits.readMaxBytes, (flags, data) => {
		if (flags & compressedFlag) throw new ConnectError("a message is compressed", Code.Internal);
		if (flags & endFlag) throw new ConnectError("only an answer has a last frame", Code.InvalidArgument);
		inbox.push(parse(data));
	});
	stream.on("data", (chunk: Buffer) => {
		try {
			frames.read(chunk);
		} catch (error) {
			inbox.fail(error);
		}
	});
	stream.once("end", () => {
		if (frames.cut) inbox.fail(new ConnectError("the stream ended within a message", Code.InvalidArgument));
		else inbox.end();
	});
	stream.once("close", () => inbox.fail(new ConnectError("the caller has gone", Code.Canceled)));
	return inbox;
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
