// Streams that go wrong, on the wire. On Node only: the server on Deno leaves them to connect-es.
import { type ClientHttp2Stream, connect as connectHttp2Raw, constants as h2 } from "node:http2";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { RetryAfterSchema } from "../../src/gen/payrelay/v1/payment_pb.ts";
import { messageLimits, type Routes } from "../../src/rpc/carrier.ts";
import { compressedFlag, createEnvelopeReader, encodeEnvelope, endFlag } from "../../src/rpc/envelope.ts";
import { serveHttp2 } from "../../src/rpc/http2-server.ts";
import { failure } from "./carrier-contract.ts";
import { createCarrierLab } from "./carrier-service.ts";
import { CarrierService } from "./gen/carrier/v1/carrier_pb.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
	for (const step of undo.splice(0).reverse()) await step();
});

async function serve(routes: Routes, faults: unknown[] = []): Promise<string> {
	const onFault = (error: unknown) => void faults.push(error);
	const server = await serveHttp2({ routes, addresses: ["127.0.0.1:0"], clock: systemClock, onFault });
	undo.push(() => server.close(0));
	return server.addresses[0]!;
}

function open(address: string, method: string): ClientHttp2Stream {
	const session = connectHttp2Raw(`http://${address}`);
	undo.push(() => session.destroy());
	return session.request({
		":method": "POST",
		":path": `/carrier.v1.CarrierService/${method}`,
		"content-type": "application/connect+proto",
	});
}

/** What was answered until the stream closed. */
async function closed(stream: ClientHttp2Stream) {
	const envelopes: { flags: number; text: string }[] = [];
	const reader = createEnvelopeReader(messageLimits.readMaxBytes, (flags, data) => {
		envelopes.push({ flags, text: Buffer.from(data).toString() });
	});
	stream.on("data", (chunk: Buffer) => reader.read(chunk));
	stream.on("error", () => {});
	await new Promise((resolve) => stream.once("close", resolve));
	return { envelopes, rstCode: stream.rstCode };
}

const tooLarge = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
const bad: [string, Buffer, string][] = [
	["announces too much", tooLarge, "resource_exhausted"],
	["cannot be parsed", encodeEnvelope(0, Buffer.from([0xff, 0xff])), "invalid_argument"],
	["is compressed", encodeEnvelope(compressedFlag, Buffer.alloc(2)), "internal"],
	["claims to be the last of an answer", encodeEnvelope(endFlag, Buffer.from("{}")), "invalid_argument"],
];
test.each(bad)("a message that %s ends the call, also where the caller goes on sending", async (_, envelope, code) => {
	const stream = open(await serve(createCarrierLab().routes), "Echo");
	stream.write(envelope);
	const junk = Buffer.alloc(16 * 1024, 0xff);
	const send = () => {
		while (!stream.destroyed && !stream.writableEnded && stream.write(junk));
	};
	stream.on("drain", send);
	send();
	const { envelopes, rstCode } = await closed(stream);
	expect(envelopes).toHaveLength(1);
	expect(envelopes[0]!.flags).toBe(endFlag);
	expect(JSON.parse(envelopes[0]!.text)).toMatchObject({ error: { code } });
	expect(rstCode).toBe(h2.NGHTTP2_NO_ERROR);
});

test.each([
	["cancels", (stream: ClientHttp2Stream) => stream.close(h2.NGHTTP2_CANCEL)],
	["closes the call without an end", (stream: ClientHttp2Stream) => stream.close(h2.NGHTTP2_NO_ERROR)],
	["loses its connection", (stream: ClientHttp2Stream) => stream.session!.destroy()],
])("a caller that %s between two messages is not taken for one that has said all", async (_, leave) => {
	const heard = Promise.withResolvers<void>();
	const end = Promise.withResolvers<unknown>();
	const address = await serve((router) =>
		router.service(CarrierService, {
			async collect(messages) {
				try {
					for await (const _ of messages) heard.resolve();
					end.resolve("all said");
				} catch (error) {
					end.resolve(ConnectError.from(error).code);
				}
				return {};
			},
		}),
	);
	const stream = open(address, "Collect");
	stream.on("error", () => {});
	stream.write(encodeEnvelope(0, Buffer.alloc(0)));
	await heard.promise;
	leave(stream);
	expect(await end.promise).toBe(Code.Canceled);
});

test("a call that fails ends, also where what it was sent was never read", async () => {
	const stream = open(await serve(createCarrierLab().routes), "Count");
	// Far more messages than may wait, for a method that takes one.
	stream.write(Buffer.concat(Array.from({ length: 500 }, () => encodeEnvelope(0, Buffer.alloc(0)))));
	const { envelopes, rstCode } = await closed(stream);
	expect(JSON.parse(envelopes.at(-1)!.text)).toMatchObject({ error: { code: "unimplemented" } });
	expect(rstCode).toBe(h2.NGHTTP2_NO_ERROR);
});

/** Answers more than fits a caller's window, then fails; reads no requests. */
const answers = 40;
const failsLate: Routes = (router) =>
	router.service(CarrierService, {
		async *echo() {
			for (let n = 0; n < answers; n++) yield { text: "x".repeat(10_000) };
			throw new ConnectError("full", Code.ResourceExhausted);
		},
	});

test("a slow caller whose side is still open gets all answers and the error before the stream closes", async () => {
	const stream = open(await serve(failsLate), "Echo");
	stream.write(encodeEnvelope(0, Buffer.alloc(0)));
	await new Promise((resolve) => stream.once("response", resolve));
	const { envelopes, rstCode } = await closed(stream);
	expect(envelopes).toHaveLength(answers + 1);
	expect(JSON.parse(envelopes.at(-1)!.text)).toMatchObject({ error: { message: "full" } });
	expect(rstCode).toBe(h2.NGHTTP2_NO_ERROR);
});

test("a client of connect-es with its requests still open gets all answers and the error", async () => {
	const transport = createConnectTransport({ baseUrl: `http://${await serve(failsLate)}`, httpVersion: "2" });
	const over = Promise.withResolvers<void>();
	undo.push(() => over.resolve());
	const requests = (async function* () {
		yield { text: "" };
		await over.promise;
	})();
	let got = 0;
	const error = await failure(
		(async () => {
			for await (const _ of createClient(CarrierService, transport).echo(requests)) got++;
		})(),
	);
	expect(got).toBe(answers);
	expect(error).toMatchObject({ code: Code.ResourceExhausted, rawMessage: "full" });
});

test("an error that cannot be told once the answer has begun resets the stream, and is told to the log", async () => {
	const faults: unknown[] = [];
	const stream = open(
		await serve((router) => {
			router.service(CarrierService, {
				async *count() {
					yield { number: 1 };
					const value = { retryMs: "no number" as unknown as number };
					throw new ConnectError("x", Code.Internal, undefined, [{ desc: RetryAfterSchema, value }]);
				},
			});
		}, faults),
		"Count",
	);
	stream.end(encodeEnvelope(0, Buffer.alloc(0)));
	const { envelopes, rstCode } = await closed(stream);
	expect(envelopes).toHaveLength(1);
	expect(rstCode).toBe(h2.NGHTTP2_INTERNAL_ERROR);
	expect(faults).toHaveLength(1);
});

test("a call whose time no timer can measure is refused", async () => {
	const address = await serve(createCarrierLab().routes);
	for (const method of ["Count", "Unary"]) {
		const session = connectHttp2Raw(`http://${address}`);
		undo.push(() => session.destroy());
		const stream = session.request({
			":method": "POST",
			":path": `/carrier.v1.CarrierService/${method}`,
			"content-type": method === "Count" ? "application/connect+proto" : "application/proto",
			"connect-timeout-ms": String(2 ** 31),
		});
		stream.end(method === "Count" ? encodeEnvelope(0, Buffer.alloc(0)) : undefined);
		let answered = "";
		for await (const chunk of stream) answered += chunk;
		expect(answered).toContain("invalid_argument");
	}
});
