// One exchange against a dispatcher that says what undici might, in any order.
import type { Dispatcher } from "undici";
import { expect, test } from "vitest";
import { exchange } from "../../src/consumer/exchange.ts";

const request = { method: "POST", path: "/payments", body: "{}" } as const;

function setup(signal = new AbortController().signal) {
	let handler: Dispatcher.DispatchHandler | undefined;
	const dispatcher = {
		dispatch(_: unknown, given: Dispatcher.DispatchHandler) {
			handler = given;
		},
	};
	const aborted: string[] = [];
	const controller = { abort: (reason: Error) => void aborted.push(reason.message) } as Dispatcher.DispatchController;
	const result = exchange(dispatcher as unknown as Dispatcher, request, signal);
	return {
		result,
		aborted,
		dispatched: () => handler !== undefined,
		start: () => handler!.onRequestStart!(controller, {}),
		head: (headers = {}) => handler!.onResponseStart!(controller, 200, { "content-length": "9", ...headers }),
		data: (chunk: Buffer) => handler!.onResponseData!(controller, chunk),
		end: () => handler!.onResponseEnd!(controller, {}),
		fail: (error = new Error("reset")) => handler!.onResponseError!(controller, error),
	};
}

test.each([
	1, 2, 3, 100,
])("a text that comes in pieces of %i bytes is read whole, also where one ends within a character", async (size) => {
	const text = '{"message":"caf\u00e9 \u2713 \u{1f4b8}"}';
	const { result, start, head, data, end } = setup();
	start();
	head();
	const bytes = Buffer.from(text);
	for (let at = 0; at < bytes.length; at += size) data(bytes.subarray(at, at + size));
	end();
	expect(await result).toEqual({ came: "answer", answer: { status: 200, body: text, framed: true } });
});

test("an answer without a body is empty", async () => {
	const { result, start, head, end } = setup();
	start();
	head();
	end();
	expect(await result).toMatchObject({ came: "answer", answer: { body: "" } });
});

test("what fails before it was started never left; afterwards it may have", async () => {
	const before = setup();
	before.fail();
	expect(await before.result).toEqual({ came: "unsent", why: "connection" });
	const after = setup();
	after.start();
	after.fail();
	expect(await after.result).toEqual({ came: "nothing", why: "connection" });
});

test("aborted before it was started, it is not sent; aborted before that, it is not even handed over", async () => {
	const controller = new AbortController();
	const waiting = setup(controller.signal);
	controller.abort();
	expect(await waiting.result).toEqual({ came: "unsent", why: "aborted" });
	waiting.start();
	expect(waiting.aborted).toEqual(["aborted before it was sent"]);
	const never = setup(controller.signal);
	expect(await never.result).toEqual({ came: "unsent", why: "aborted" });
	expect(never.dispatched()).toBe(false);
});

test("what is aborted once it was answered is left alone: its connection is of use to others", async () => {
	const controller = new AbortController();
	const { result, aborted, start, head, end } = setup(controller.signal);
	start();
	head();
	end();
	controller.abort();
	expect(await result).toMatchObject({ came: "answer" });
	expect(aborted).toEqual([]);
});

test("a request is not started twice: the second start is its abort, and what comes then is not listened to", async () => {
	const { result, aborted, start, head, end } = setup();
	start();
	start();
	expect(aborted).toEqual(["connection"]);
	head();
	end();
	expect(await result).toEqual({ came: "nothing", why: "connection" });
});

test("an answer beyond the bound is cut off", async () => {
	const { result, aborted, start, head, data } = setup();
	start();
	head();
	data(Buffer.alloc(16 * 1024));
	expect(aborted).toEqual([]);
	data(Buffer.alloc(1));
	expect(aborted).toEqual(["malformed"]);
	expect(await result).toEqual({ came: "nothing", why: "malformed" });
});
