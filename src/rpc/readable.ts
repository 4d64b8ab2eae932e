// Single calls whose request is no message of their method: INVALID_ARGUMENT.
//
// Of a binary one connect-es says INTERNAL, as if the service had broken, and asks no interceptor. What a request's body
// throws it hands on as it is, so the body is looked at as it passes. Of a Connect GET, whose message is in its URL, it still says
// INTERNAL.
import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { messageLimits } from "./carrier.ts";
import { createEnvelopeReader, encodeEnvelope } from "./envelope.ts";
import { messageEnvelopes } from "./message-envelopes.ts";

/** The request for this handler, with a body that fails where it cannot be read. Streams have that from validate.ts. */
export function readable(request: UniversalServerRequest, { method }: UniversalHandler): UniversalServerRequest {
	const type = request.header.get("content-type")?.toLowerCase() ?? "";
	const body = request.body as AsyncIterable<Buffer>;
	if (method.methodKind !== "unary" || type.includes("json")) return request;
	return { ...request, body: type === "application/proto" ? bare(body, method.input) : enveloped(body, method.input) };
}

/** Whoever reads it stops where it is too long. */
async function* bare(body: AsyncIterable<Buffer>, input: DescMessage): AsyncGenerator<Buffer> {
	const chunks: Buffer[] = [];
	for await (const chunk of body) {
		chunks.push(chunk);
		yield chunk;
	}
	messageEnvelopes(input, Code.InvalidArgument).decode(Buffer.concat(chunks));
}

/** As gRPC has it, whose envelopes are those of Connect. */
async function* enveloped(body: AsyncIterable<Buffer>, input: DescMessage): AsyncGenerator<Buffer> {
	const { decode } = messageEnvelopes(input, Code.InvalidArgument);
	const whole: Buffer[] = [];
	const envelopes = createEnvelopeReader(messageLimits.readMaxBytes, (flags, data) => {
		// What has flags is not a plain message, and not taken.
		if (flags === 0) decode(data);
		whole.push(encodeEnvelope(flags, data));
	});
	for await (const chunk of body) {
		envelopes.read(chunk);
		yield* whole.splice(0);
	}
	if (envelopes.cut) throw new ConnectError("the request ended within a message", Code.InvalidArgument);
}
