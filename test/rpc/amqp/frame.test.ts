// The carrier's messages: what is written is read back the same; what is not of the carrier is refused, whatever it is.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { amqpRpcBounds } from "../../../src/rpc/amqp/bounds.ts";
import {
	type Frame,
	frameProperties,
	type Request,
	readFrame,
	readRequest,
	requestProperties,
	UnreadableMessage,
} from "../../../src/rpc/amqp/frame.ts";
import { isMailbox, newMailbox } from "../../../src/rpc/amqp/names.ts";

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
/** No field of HTTP begins or ends with a space. */
const value = fc.stringMatching(/^[!-~]([ -~]{0,30}[!-~])?$/);
const headers = fc.dictionary(name, value, { maxKeys: 20 }).map((pairs) => new Headers(pairs));
const text = fc.string({ minLength: 1, maxLength: 60, unit: "grapheme" });
const count = fc.nat({ max: 2 ** 31 });
const body = fc.uint8Array({ maxLength: 100 });

const frame: fc.Arbitrary<Frame> = fc.oneof(
	fc.record({ kind: fc.constant("answer" as const), call: text, status: count, header: headers, trailer: headers }),
	fc.record({ kind: fc.constant("head" as const), call: text, sequence: count, status: count, header: headers }),
	fc.record({ kind: fc.constant("data" as const), call: text, sequence: count }),
	fc.record({ kind: fc.constant("end" as const), call: text, sequence: count, trailer: headers }),
	fc.record({ kind: fc.constant("credit" as const), call: text, bytes: count }),
	fc.record({ kind: fc.constantFrom("accept" as const, "cancel" as const, "ping" as const), call: text }),
);

const request: fc.Arbitrary<Request> = fc.record(
	{
		path: text.map((path) => `/${path}`),
		call: text,
		replyTo: text,
		caller: text,
		requestId: text,
		header: headers,
		body,
		deadlineMs: count,
	},
	{ requiredKeys: ["path", "call", "replyTo", "caller", "requestId", "header", "body"] },
);

/** What a header table can hold once it was read. */
const field = fc.letrec((tie) => ({
	any: fc.oneof(
		{ depthSize: "small" },
		fc.string(),
		fc.double(),
		fc.integer(),
		fc.boolean(),
		fc.constant(null),
		fc.uint8Array().map((bytes) => Buffer.from(bytes)),
		fc.array(tie("any"), { maxLength: 4 }),
		fc.dictionary(fc.oneof(fc.string(), fc.constantFrom("toString", "valueOf", "__proto__")), tie("any"), {
			maxKeys: 4,
		}),
	),
})).any;
const known = ["path", "requestId", "header", "trailer", "deadline", "sequence", "status", "bytes"];
const hostile = fc.record(
	{
		type: fc.oneof(fc.constantFrom("request", "answer", "head", "data", "end", "credit", "cancel"), fc.string()),
		correlationId: fc.oneof(fc.string(), fc.constant("\ufffd".repeat(255))),
		replyTo: fc.string(),
		appId: fc.string(),
		headers: fc.dictionary(fc.oneof(fc.constantFrom(...known), fc.string()), field),
	},
	{ requiredKeys: [] },
);

describe("the carrier's messages", () => {
	test("a frame is read as it was written", () => {
		fc.assert(
			fc.property(frame, body, fc.option(text, { nil: undefined }), (written, bytes, from) => {
				const read = readFrame(frameProperties(written, from) as never, bytes, amqpRpcBounds);
				expect(plain(read)).toEqual(plain({ ...written, from, body: bytes }));
			}),
		);
	});

	test("a request is read as it was written", () => {
		fc.assert(
			fc.property(request, (written) => {
				const read = readRequest(requestProperties(written, undefined) as never, written.body, amqpRpcBounds);
				expect(plain(read)).toEqual(plain(written));
			}),
		);
	});

	test("of whatever else comes it is said that it cannot be read, and nothing worse", () => {
		fc.assert(
			fc.property(hostile, (properties) => {
				for (const read of [readFrame, readRequest])
					try {
						read(properties as never, Buffer.alloc(0), amqpRpcBounds);
					} catch (error) {
						expect(error).toBeInstanceOf(UnreadableMessage);
					}
			}),
			{ numRuns: 1000 },
		);
	});

	test("headers beyond the bounds are refused", () => {
		const read = (header: Record<string, string>) =>
			readFrame(
				{ type: "answer", correlationId: "1", headers: { status: 200, header } } as never,
				Buffer.alloc(0),
				amqpRpcBounds,
			);
		const pairs = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`x-${i}`, "y"]));
		expect(() => read(pairs(amqpRpcBounds.headerPairsMax))).not.toThrow();
		expect(() => read(pairs(amqpRpcBounds.headerPairsMax + 1))).toThrow(UnreadableMessage);
		expect(() => read({ x: "y".repeat(amqpRpcBounds.headerBytesMax) })).toThrow(UnreadableMessage);
	});

	test("only a mailbox of this deployment is answered", () => {
		expect(isMailbox("ours", newMailbox("ours"))).toBe(true);
		for (const queue of [newMailbox("theirs"), "ours.rpc.a.Service", "ours.mailbox.", "", `${newMailbox("ours")}x`, 7])
			expect(isMailbox("ours", queue)).toBe(false);
	});
});

function plain(message: object): Record<string, unknown> {
	const entries = Object.entries(message).filter(([, value]) => value !== undefined);
	return Object.fromEntries(entries.map(([key, value]) => [key, value instanceof Headers ? [...value] : value]));
}

test("a request says what it is in the standard properties, and is kept over a restart of the broker", () => {
	const asked: Request = {
		path: "/package.Service/Method",
		call: "call",
		replyTo: "mailbox",
		caller: "caller",
		requestId: "id",
		header: new Headers({ "content-type": "application/proto" }),
		body: new Uint8Array(),
	};
	expect(requestProperties(asked, 1_499.5)).toMatchObject({
		type: "request",
		correlationId: "call",
		replyTo: "mailbox",
		appId: "caller",
		contentType: "application/proto",
		persistent: true,
		expiration: "1500",
	});
});
