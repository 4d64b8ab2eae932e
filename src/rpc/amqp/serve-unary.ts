// One unary request, from its delivery to its acknowledgement: served once however often it comes, and answered each time.
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { type Delivery, PublishError } from "../../amqp/message.ts";
import type { Clock } from "../../clock.ts";
import { type Answer, createAnswers } from "./answers.ts";
import type { AmqpRpcBounds } from "./bounds.ts";
import type { AmqpRpcCounters } from "./counters.ts";
import type { ReceivedFrame, Request } from "./frame.ts";
import type { Mailbox } from "./mailbox.ts";
import type { Responder } from "./responder.ts";

/** A request that was handed out, and who serves it. */
export interface Job {
	readonly delivery: Delivery;
	readonly request: Request;
	readonly handler: UniversalHandler;
}

export interface ServeUnaryOptions {
	readonly mailbox: Mailbox;
	readonly responder: Responder;
	readonly clock: Clock;
	readonly bounds: AmqpRpcBounds;
	readonly counters: AmqpRpcCounters;
	/** Aborted when a closing server has no more time. */
	readonly cut: AbortSignal;
	/** Where the caller's frames are to go until the returned function is called; `undefined`: none can come any more. */
	readonly register: (request: Request, tell: (frame: ReceivedFrame | undefined) => void) => () => void;
}

export function createServeUnary(options: ServeUnaryOptions): (job: Job) => Promise<void> {
	const { mailbox, responder, clock, bounds, counters, cut, register } = options;
	const answers = createAnswers(bounds);

	return async ({ delivery, request, handler }) => {
		const effect = JSON.stringify([request.caller, request.requestId, request.path]);
		let answered = answers.recall(effect);
		const repeated = answered !== undefined;
		if (answered) counters.repeated++;
		else {
			const ended = new AbortController();
			const unregister = register(request, (frame) => {
				if (frame?.kind === "cancel") ended.abort(new ConnectError("the caller ended the call", Code.Canceled));
				// Where the broker is lost it goes on: its request will come again, and find the answer.
				else if (frame === undefined && cut.aborted)
					ended.abort(new ConnectError("the server is closing", Code.Unavailable));
			});
			answered = answerUnary(handler, request, ended.signal);
			answers.remember(effect, answered);
			const cancelAccept = clock.after(bounds.acceptAfterMs, () => {
				mailbox.post(request.replyTo, { kind: "accept", call: request.call }).catch((error: unknown) => {
					if (!(error instanceof PublishError) || error.failure !== "unroutable") return;
					counters.callerGone++;
					ended.abort(new ConnectError("the caller has gone", Code.Canceled));
				});
			});
			const over = () => {
				cancelAccept();
				unregister();
			};
			answered.then(over, over);
		}
		let result: Answer;
		try {
			result = await answered;
		} catch (error) {
			// Nobody knows what it has done: it is given out again, and so often as to be a dead letter at last.
			delivery.reject(true);
			throw error;
		}
		if (result.status !== 200 && isUndecodable(handler, request))
			responder.setAside(delivery, "its body is no message of its method");
		else {
			if (!repeated) counters.served++;
			if (await responder.answer(request, result)) delivery.ack();
			else delivery.reject(true);
		}
	};
}

/** Calls are served under this URL; only its path says anything. */
export const callUrl = (path: string) => `http://amqp${path}`;

async function answerUnary(handler: UniversalHandler, request: Request, signal: AbortSignal): Promise<Answer> {
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
function isUndecodable({ method }: UniversalHandler, { header, body }: Request): boolean {
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
