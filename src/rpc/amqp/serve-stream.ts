// One stream, from its request to its end: its caller is told who serves it, then both sides send frames.
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { PublishError } from "../../amqp/message.ts";
import type { AmqpRpcBounds } from "./bounds.ts";
import { headersFit, type ReceivedFrame, type Request } from "./frame.ts";
import type { Mailbox } from "./mailbox.ts";
import { callUrl } from "./serve-unary.ts";
import { createStream, type Stream } from "./stream.ts";

export interface ServeStreamOptions {
	readonly request: Request;
	readonly handler: UniversalHandler;
	readonly mailbox: Mailbox;
	readonly bounds: AmqpRpcBounds;
	/** One of these three, once: the request has found its end, or must be given out again. */
	readonly onAccepted: () => void;
	readonly onCallerGone: () => void;
	readonly onNotAccepted: () => void;
	readonly onPeerLost: () => void;
	readonly onFault: (error: unknown, what: string) => void;
	/** Where frames of this stream are to go; `undefined` ends it. */
	readonly register: (tell: (frame: ReceivedFrame | undefined) => void) => void;
}

/** Resolves when the stream is over. */
export async function serveStream(options: ServeStreamOptions): Promise<void> {
	const { request, mailbox, bounds } = options;
	const over = Promise.withResolvers<void>();
	/** Aborted when frames can no longer reach this side. */
	const lost = new AbortController();
	const side = createStream({
		call: request.call,
		mailbox,
		bounds,
		cancelCode: Code.Canceled,
		onHead() {},
		onEnd() {},
		onOver(error) {
			if (error instanceof ConnectError && error.code === Code.Unavailable) options.onPeerLost();
			over.resolve();
		},
	});
	options.register((frame) => {
		if (frame === undefined) {
			lost.abort();
			side.end(new ConnectError("the server or the broker has gone", Code.Unavailable), true);
		} else side.receive(frame);
	});
	try {
		// It says where the caller reaches this side: with its mailbox gone, it must not go out from another one.
		await mailbox.ready(lost.signal);
		await mailbox.post(request.replyTo, { kind: "accept", call: request.call }, lost.signal);
	} catch (error) {
		if (error instanceof PublishError && error.failure === "unroutable") options.onCallerGone();
		else if (error instanceof PublishError || lost.signal.aborted) options.onNotAccepted();
		else throw error;
		return;
	}
	options.onAccepted();
	side.attach(request.replyTo);
	if (side.over.aborted) return;
	try {
		await run(side, options);
	} catch (error) {
		if (!side.over.aborted) {
			options.onFault(error, `answering ${request.path} failed`);
			side.end(error, true);
		}
	}
	await over.promise;
}

async function run(side: Stream, { request, handler, bounds }: ServeStreamOptions): Promise<void> {
	const { path } = request;
	const response = await handler({
		httpVersion: "2.0",
		url: callUrl(path),
		method: "POST",
		header: request.header,
		body: side.incoming,
		signal: side.over,
	});
	const [header, trailer] = [new Headers(response.header), new Headers(response.trailer)];
	if (!headersFit(header, bounds) || !headersFit(trailer, bounds)) throw new Error("too many headers of the answer");
	side.send({ kind: "head", status: response.status, header });
	if (response.body) await side.sendBody(response.body);
	side.send({ kind: "end", trailer: new Headers(response.trailer) });
	side.end(undefined, false);
}
