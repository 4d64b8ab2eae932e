// What becomes of a request whose answer cannot be sent.
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { type Delivery, PublishError, type PublishFailure } from "../../../src/amqp/message.ts";
import { amqpRpcBounds } from "../../../src/rpc/amqp/bounds.ts";
import { createAmqpRpcCounters } from "../../../src/rpc/amqp/counters.ts";
import type { Frame, Request } from "../../../src/rpc/amqp/frame.ts";
import { createResponder } from "../../../src/rpc/amqp/responder.ts";

/** Refuses a request over a mailbox whose posts end in turn as `posts` say; tells what was done with its delivery. */
async function refuse(posts: readonly (PublishFailure | "sent")[]) {
	const faults: unknown[] = [];
	const left = [...posts];
	const responder = createResponder({
		namespace: "test",
		mailbox: {
			name: "here",
			ready: async () => {},
			room: () => undefined,
			async post(_to: string, _frame: Frame) {
				const end = left.shift() ?? "sent";
				if (end !== "sent") throw new PublishError(end, end);
			},
			publish: async () => {},
			watch: () => () => {},
			close: async () => {},
		},
		bounds: amqpRpcBounds,
		counters: createAmqpRpcCounters(),
		onFault: (error) => faults.push(error),
	});
	const done = await new Promise<string>((resolve) => {
		const settle = (how: string) => {
			resolve(how);
			return true;
		};
		const delivery = {
			ack: () => settle("acknowledged"),
			reject: (requeue: boolean) => settle(requeue ? "given out again" : "set aside"),
		} as unknown as Delivery;
		const request = { call: "call", replyTo: "there" } as Request;
		responder.refuse(delivery, request, new ConnectError("no", Code.Unimplemented));
	});
	return { done, faults, left };
}

test.each<[string, (PublishFailure | "sent")[], string]>([
	["was sent", ["sent"], "acknowledged"],
	["found nobody", ["unroutable"], "acknowledged"],
	["was lost with the broker", ["lost"], "given out again"],
	["could not be written, but its short form could", ["unwritable", "sent"], "acknowledged"],
	["could not be written, and its short form was lost", ["unwritable", "lost"], "given out again"],
	["could not be written in any form", ["unwritable", "unwritable"], "given out again"],
])("a request whose answer %s", async (_, posts, expected) => {
	expect(await refuse(posts)).toEqual({ done: expected, faults: [], left: [] });
});
