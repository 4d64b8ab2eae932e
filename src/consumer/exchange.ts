// One HTTP exchange with a processor: sent at most once, its answer read whole and within bounds, never a rejection.
import type { Dispatcher } from "undici";
import type { WholeAnswer } from "./answers.ts";
import type { Cutoff } from "./cutoff.ts";

/** Answers are a few dozen bytes; one beyond this is none that the contract names. */
const bodyMaxBytes = 16 * 1024;

export type Exchange =
	| { readonly came: "answer"; readonly answer: WholeAnswer }
	/** Proof that no byte of the request left: no connection came about, or it was aborted before one had. */
	| { readonly came: "unsent"; readonly why: NoAnswerWhy }
	/** It was sent, at least in part, and no whole answer came. */
	| { readonly came: "nothing"; readonly why: NoAnswerWhy };

type NoAnswerWhy = "aborted" | "connection" | "malformed";

export type Request = Pick<Dispatcher.DispatchOptions, "method" | "path" | "headers" | "body">;

/**
 * For whole texts only: with parts of one it would take a converter of its own each time. A byte order mark stays: a body
 * that is nothing else is not empty.
 */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * undici calls `onRequestStart` on a connection that is established, before it writes: what ends before that call never
 * left. A request is not started twice here, whatever becomes of its connection: the second start is its abort.
 */
export function exchange(dispatcher: Dispatcher, request: Request, cutoff: Cutoff): Promise<Exchange> {
	return new Promise((resolve) => {
		if (cutoff.aborted) return resolve({ came: "unsent", why: "aborted" });
		const handler = new Handler(resolve, cutoff);
		try {
			dispatcher.dispatch(request, handler);
		} catch {
			// The client is closed, or the request cannot be made: nothing was sent.
			handler.give("connection");
		}
	});
}

/** A class: closures over the same state would be allocated anew for each charge. */
class Handler implements Dispatcher.DispatchHandler {
	readonly #resolve: (result: Exchange) => void;
	readonly #cutoff: Cutoff;
	readonly #onAbort: () => void;
	#controller: Dispatcher.DispatchController | undefined;
	#over = false;
	#status = 0;
	#framed = false;
	#bytes = 0;
	/** Nearly always the only one, so that a list is made for the second only. */
	#chunk: Buffer | undefined = undefined;
	#others: Buffer[] | undefined = undefined;

	constructor(resolve: (result: Exchange) => void, cutoff: Cutoff) {
		this.#resolve = resolve;
		this.#cutoff = cutoff;
		// By its name: churn.ts tells why.
		const onAbort = (): void => this.give("aborted");
		this.#onAbort = onAbort;
		cutoff.addEventListener("abort", onAbort);
	}

	/** Ends it without an answer; of no effect where it has ended before. */
	give(why: NoAnswerWhy): void {
		this.#settle({ came: this.#controller ? "nothing" : "unsent", why });
		this.#controller?.abort(new Error(why));
	}

	/** Only the first one counts, as a promise has it. */
	#settle(result: Exchange): void {
		this.#over = true;
		this.#cutoff.removeEventListener("abort", this.#onAbort);
		this.#resolve(result);
	}

	onRequestStart(started: Dispatcher.DispatchController): void {
		const again = this.#controller !== undefined;
		this.#controller = started;
		if (again) this.give("connection");
		else if (this.#over) started.abort(new Error("aborted before it was sent"));
	}

	onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Record<string, unknown>): void {
		this.#status = status;
		this.#framed = headers["content-length"] !== undefined || endsInChunks(headers["transfer-encoding"]);
	}

	onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
		this.#bytes += chunk.length;
		if (this.#bytes > bodyMaxBytes) this.give("malformed");
		else if (this.#chunk === undefined) this.#chunk = chunk;
		else {
			this.#others ??= [];
			this.#others.push(chunk);
		}
	}

	onResponseEnd(): void {
		const whole = this.#others ? Buffer.concat([this.#chunk!, ...this.#others]) : this.#chunk;
		const body = utf8.decode(whole);
		this.#settle({ came: "answer", answer: { status: this.#status, body, framed: this.#framed } });
	}

	onResponseError(_: Dispatcher.DispatchController, error: Error): void {
		this.give(error.name === "HTTPParserError" ? "malformed" : "connection");
	}
}

/** An answer in any other coding goes on until its connection ends. One header comes as text, several as a list. */
function endsInChunks(transferEncoding: unknown): boolean {
	return transferEncoding !== undefined && /(?:^|,)[\t ]*chunked[\t ]*$/i.test(String(transferEncoding));
}
