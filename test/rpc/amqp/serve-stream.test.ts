// What becomes of a stream's request that ends before its caller has been told who serves it.
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { expect, test } from "vitest";
import { PublishError } from "../../../src/amqp/message.ts";
import { amqpRpcBounds } from "../../../src/rpc/amqp/bounds.ts";
import type { FrameKind, ReceivedFrame, Request } from "../../../src/rpc/amqp/frame.ts";
import type { Mailbox } from "../../../src/rpc/amqp/mailbox.ts";
import { serveStream } from "../../../src/rpc/amqp/serve-stream.ts";

const frame = (kind: FrameKind) => ({ kind, call: "call", from: "there" }) as ReceivedFrame;

/** Serves a stream whose accept waits until `accept` is resolved; tells what was done with its request. */
function serve() {
	const done: string[] = [];
	const accept = Promise.withResolvers<void>();
	let tell: (frame: ReceivedFrame | undefined) => void = () => {};
	const mailbox: Mailbox = {
		name: "here",
		ready: async () => {},
		room: () => undefined,
		async post(_to, { kind }, signal) {
			const withdrawn = new Promise<never>((_, reject) =>
				signal?.addEventListener("abort", () => reject(signal.reason), { once: true }),
			);
			await Promise.race([accept.promise, withdrawn]);
			done.push(`${kind} sent`);
		},
		publish: async () => {},
		watch: () => () => {},
		close: async () => {},
	};
	const over = serveStream({
		request: { path: "/S/M", call: "call", replyTo: "there", header: new Headers() } as Request,
		handler: (async () => {
			done.push("served");
			return { status: 200 };
		}) as unknown as UniversalHandler,
		mailbox,
		bounds: amqpRpcBounds,
		onAccepted: () => done.push("acknowledged"),
		onCallerGone: () => done.push("acknowledged: nobody is there"),
		onNotAccepted: () => done.push("given out again"),
		onPeerLost: () => done.push("lost"),
		onFault: (error) => done.push(`fault: ${error}`),
		register: (told) => {
			tell = told;
		},
	});
	return { done, over, accept, tell: (frame: ReceivedFrame | undefined) => tell(frame) };
}

test("ended by its caller, it is not given out again", async () => {
	const { done, over, accept, tell } = serve();
	await Promise.resolve();
	tell(frame("cancel"));
	accept.resolve();
	await over;
	await expect.poll(() => done).toEqual(["accept sent", "acknowledged", "cancel sent"]);
});

test("ended by what came instead of its first frame, its caller hears that it is over", async () => {
	const { done, over, accept, tell } = serve();
	await Promise.resolve();
	tell({ ...frame("data"), sequence: 5, body: new Uint8Array() });
	accept.resolve();
	await over;
	await expect.poll(() => done).toEqual(["accept sent", "acknowledged", "cancel sent"]);
});

test("ended by the loss of the mailbox, its accept is withdrawn and it is given out again", async () => {
	const { done, over, tell } = serve();
	await Promise.resolve();
	tell(undefined);
	await over;
	expect(done).toEqual(["lost", "given out again"]);
});

test.each([
	["unroutable", "acknowledged: nobody is there"],
	["lost", "given out again"],
] as const)("where its accept is %s: %s", async (failure, expected) => {
	const { done, over, accept } = serve();
	accept.reject(new PublishError(failure, failure));
	await over;
	expect(done).toEqual([expected]);
});

test("accepted, it is served", async () => {
	const { done, over, accept } = serve();
	accept.resolve();
	await over;
	expect(done).toEqual(["accept sent", "acknowledged", "served", "head sent", "end sent"]);
});
