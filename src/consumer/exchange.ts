// One HTTP exchange with a processor: sent at most once, its answer read whole and within bounds, never a rejection.
import type { Dispatcher } from "undici";
import type { WholeAnswer } from "./answers.ts";

/** Answers are a few dozen bytes; one beyond this is none that the contract names. */
const bodyMaxBytes = 16 * 1024;

export type Exchange =
	| { readonly came: "answer"; readonly answer: WholeAnswer }
	/** Proof that no byte of the request left: no connection came about, or it was aborted before one had. */
	| { readonly came: "unsent" }
	/** It was sent, at least in part, and no whole answer came. */
	| { readonly came: "nothing"; readonly why: "aborted" | "connection" | "malformed" };

export interface Request {
	readonly method: "GET" | "POST";
	readonly path: string;
	readonly body?: string;
}

const jsonHeaders = { "content-type": "application/json" };

/**
 * undici calls `onRequestStart` on a connection that is established, before it writes: what ends before that call never
 * left. A request is not started twice here, whatever becomes of its connection: the second start is its abort.
 */
export function exchange(dispatcher: Dispatcher, request: Request, signal: AbortSignal): Promise<Exchange> {
	return new Promise((resolve) => {
		if (signal.aborted) return resolve({ came: "unsent" });
		let controller: Dispatcher.DispatchController | undefined;
		let over = false;
		let status = 0;
		let framed = false;
		let body = "";
		let bytes = 0;
		let decoder: TextDecoder | undefined;

		const settle = (result: Exchange): void => {
			if (over) return;
			over = true;
			signal.removeEventListener("abort", onAbort);
			resolve(result);
		};
		const give = (why: "aborted" | "connection" | "malformed"): void => {
			settle(controller ? { came: "nothing", why } : { came: "unsent" });
			controller?.abort(new Error(why));
		};
		const onAbort = (): void => give("aborted");
		signal.addEventListener("abort", onAbort);

		const handler: Dispatcher.DispatchHandler = {
			onRequestStart(started) {
				const again = controller !== undefined;
				controller = started;
				if (again) give("connection");
				else if (over) started.abort(new Error("aborted before it was sent"));
			},
			onResponseStart(_, statusCode, headers) {
				status = statusCode;
				framed = headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
			},
			onResponseData(_, chunk) {
				bytes += chunk.length;
				if (bytes > bodyMaxBytes) return give("malformed");
				decoder ??= new TextDecoder();
				body += decoder.decode(chunk, { stream: true });
			},
			onResponseEnd() {
				if (decoder) body += decoder.decode();
				settle({ came: "answer", answer: { status, body, framed } });
			},
			onResponseError(_, error) {
				give(error.name === "HTTPParserError" ? "malformed" : "connection");
			},
		};
		const headers = request.body === undefined ? {} : { headers: jsonHeaders, body: request.body };
		try {
			dispatcher.dispatch({ method: request.method, path: request.path, ...headers }, handler);
		} catch {
			// The client is closed, or the request cannot be made: nothing was sent.
			give("connection");
		}
	});
}
