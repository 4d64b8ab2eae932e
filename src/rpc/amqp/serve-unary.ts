// One unary request, from its message to its answer.
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import type { Answer } from "./answers.ts";
import type { Request } from "./frame.ts";

/** Calls are served under this URL; only its path says anything. */
export const callUrl = (path: string) => `http://amqp${path}`;

export async function answerUnary(handler: UniversalHandler, request: Request, signal: AbortSignal): Promise<Answer> {
	const { path, header, body } = request;
	const { status, ...answered } = await handler({
		httpVersion: "2.0",
		url: callUrl(path),
		method: "POST",
		header,
		body: once(body),
		signal,
	});
	const chunks: Uint8Array[] = [];
	for await (const chunk of answered.body ?? []) chunks.push(chunk);
	return {
		status,
		header: new Headers(answered.header),
		trailer: new Headers(answered.trailer),
		body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks),
	};
}

/** Whether the request's body is no message of its method: no retry will ever help. */
export function isUndecodable({ method }: UniversalHandler, { header, body }: Request): boolean {
	try {
		if (header.get("content-type")?.startsWith("application/json"))
			fromJsonString(method.input, Buffer.from(body).toString());
		else fromBinary(method.input, body);
		return false;
	} catch {
		return true;
	}
}

async function* once(body: Uint8Array): AsyncGenerator<Uint8Array> {
	yield body;
}
