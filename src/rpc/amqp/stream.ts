// One side of a stream: what it sends in numbered frames within a window, and what it receives, in order or not at all.
import { Code, ConnectError } from "@connectrpc/connect";
import { PublishError } from "../../amqp/message.ts";
import type { AmqpRpcBounds } from "./bounds.ts";
import type { Frame, ReceivedFrame } from "./frame.ts";
import { peerGone } from "./lost.ts";
import type { Mailbox } from "./mailbox.ts";
import { createSendWindow, exceedsWindow } from "./window.ts";

export interface Stream {
	/** The other side's mailbox is known from now on, and watched; it is told where the stream is over by now. */
	attach(peer: string): void;
	readonly peer: string | undefined;
	receive(frame: ReceivedFrame): void;
	/** What the other side sends after its head. Its iterator implements `throw`. */
	readonly incoming: AsyncIterable<Uint8Array>;
	/** What came with the other side's `end`. */
	readonly trailer: Headers;
	send(frame: Pick<Frame, "kind" | "status" | "header" | "trailer">): void;
	/** Resolves once all of it was sent, or the stream is over. */
	sendBody(body: AsyncIterable<Uint8Array>): Promise<void>;
	/** Ends the stream here. `cancel`: and tells the other side. */
	end(error: unknown, cancel: boolean): void;
	/** Aborted when the stream is over, with what ended it. */
	readonly over: AbortSignal;
}

export interface StreamOptions {
	readonly call: string;
	readonly mailbox: Mailbox;
	readonly bounds: AmqpRpcBounds;
	/** What it means that the other side gives up. */
	readonly cancelCode: Code;
	readonly onHead: (head: ReceivedFrame) => void;
	/** The other side has sent all that it will. */
	readonly onEnd: () => void;
	/** Called once. */
	readonly onOver: (error: unknown) => void;
}

/** A frame costs this much of a window at least, bytes. */
const frameMinBytes = 64;

function cost(body: Uint8Array): number {
	return Math.max(body.byteLength, frameMinBytes);
}

/** Tells the other side that a call is over. */
export function tellOver(mailbox: Mailbox, peer: string, call: string): void {
	mailbox.post(peer, { kind: "cancel", call }).catch(() => {
		// It has gone, and then needs not be told.
	});
}

export function createStream({ call, mailbox, bounds, cancelCode, ...options }: StreamOptions): Stream {
	const ended = new AbortController();
	/** Gives up what still waits to be sent; a stream that ended well has its last frames sent. */
	const broken = new AbortController();
	const window = createSendWindow(bounds.windowBytes);
	const attached = Promise.withResolvers<void>();
	const trailer = new Headers();
	const inbox: Uint8Array[] = [];
	let peer: string | undefined;
	let unwatch = () => {};
	let sent = 0;
	let received = 0;
	let complete = false;
	let discarding = false;
	/** Bytes that wait in the inbox, and those that were read of which the other side does not know. */
	let unread = 0;
	let unreported = 0;
	let wakeReader = () => {};

	function post(frame: Omit<Frame, "call">): void {
		if (ended.signal.aborted) return;
		mailbox.post(peer!, { ...frame, call }, broken.signal).catch((error: unknown) => {
			if (ended.signal.aborted) return;
			if (error instanceof PublishError && error.failure === "unroutable") end(peerGone(), false);
			else end(new ConnectError("a frame was lost", Code.Unavailable, undefined, undefined, error), true);
		});
	}

	function end(error: unknown, cancel: boolean): void {
		if (ended.signal.aborted) return;
		if (cancel && peer !== undefined) tellOver(mailbox, peer, call);
		if (error !== undefined) broken.abort(error);
		ended.abort(error);
		unwatch();
		window.open();
		attached.resolve();
		wakeReader();
		options.onOver(error);
	}

	function receiveNumbered(frame: ReceivedFrame): void {
		if (frame.sequence !== received) {
			const text = `frame ${received} of the stream is missing: ${frame.sequence} came`;
			end(new ConnectError(text, Code.DataLoss), true);
			return;
		}
		received++;
		if (frame.kind === "head") options.onHead(frame);
		else if (frame.kind === "data") keep(frame.body);
		else {
			complete = true;
			frame.trailer?.forEach((value, name) => {
				trailer.set(name, value);
			});
			options.onEnd();
		}
		wakeReader();
	}

	function keep(body: Uint8Array): void {
		if (discarding) return;
		inbox.push(body);
		const bytes = cost(body);
		unread += bytes;
		if (exceedsWindow(bounds.windowBytes, unread, bytes))
			end(new ConnectError("more was sent than the window holds", Code.ResourceExhausted), true);
	}

	function read(body: Uint8Array): void {
		const bytes = cost(body);
		unread -= bytes;
		unreported += bytes;
		if (unreported < bounds.windowBytes / 2 || complete) return;
		post({ kind: "credit", bytes: unreported });
		unreported = 0;
	}

	async function next(): Promise<IteratorResult<Uint8Array, undefined>> {
		for (;;) {
			const body = inbox.shift();
			if (body !== undefined) {
				read(body);
				return { done: false, value: body };
			}
			if (complete || discarding) return { done: true, value: undefined };
			if (ended.signal.aborted) throw ended.signal.reason;
			await new Promise<void>((resolve) => {
				wakeReader = resolve;
			});
		}
	}

	async function discard(): Promise<IteratorResult<Uint8Array, undefined>> {
		discarding = true;
		inbox.length = 0;
		return { done: true, value: undefined };
	}

	return {
		get peer() {
			return peer;
		},
		trailer,
		end,
		over: ended.signal,
		attach(name) {
			if (ended.signal.aborted) {
				tellOver(mailbox, name, call);
				return;
			}
			peer = name;
			unwatch = mailbox.watch(name, () => end(peerGone(), false));
			attached.resolve();
		},
		receive(frame) {
			if (frame.kind === "credit") window.give(frame.bytes ?? 0);
			else if (frame.kind === "cancel") end(new ConnectError("the other side ended the stream", cancelCode), false);
			else receiveNumbered(frame);
		},
		incoming: {
			[Symbol.asyncIterator]: () => ({
				next,
				return: discard,
				async throw(error) {
					await discard();
					throw error;
				},
			}),
		},
		send(frame) {
			post({ ...frame, sequence: sent++ });
		},
		async sendBody(body) {
			await attached.promise;
			for await (const chunk of whileOpen(body, ended.signal)) {
				await window.take(cost(chunk));
				// Other streams send over the same channel; where it is behind, all of them wait.
				await mailbox.room(ended.signal)?.catch(() => {
					// The stream is over, or the channel is closed, which its own frame will be told.
				});
				post({ kind: "data", body: chunk, sequence: sent++ });
			}
		},
	};
}

/** A body whose source is let go as soon as the stream is over, also while nobody waits for it. */
async function* whileOpen(body: AsyncIterable<Uint8Array>, over: AbortSignal): AsyncGenerator<Uint8Array> {
	const source = body[Symbol.asyncIterator]();
	const leave = () => {
		source.return?.().catch(() => {
			// What it had to say of its end, nobody hears any more.
		});
	};
	if (over.aborted) leave();
	over.addEventListener("abort", leave, { once: true });
	try {
		while (!over.aborted) {
			const { done, value } = await source.next();
			if (done) return;
			yield value;
		}
	} finally {
		over.removeEventListener("abort", leave);
	}
}
