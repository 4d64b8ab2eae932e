// Requests that are no message of their method, in each protocol and encoding that the server speaks.
import { type ClientHttp2Session, connect as connectHttp2Raw } from "node:http2";
import { Code } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { edgeInterceptors } from "../../src/rpc/edge.ts";
import { encodeEnvelope } from "../../src/rpc/envelope.ts";
import { serveHttp2 } from "../../src/rpc/http2-server.ts";
import { createValidation } from "../../src/rpc/validate.ts";
import { createCarrierLab } from "./carrier-service.ts";

const logged: string[] = [];
const undo: (() => unknown)[] = [];
let session: ClientHttp2Session;

beforeAll(async () => {
	const server = await serveHttp2({
		routes: createCarrierLab().routes,
		interceptors: edgeInterceptors(createValidation(), (error) => logged.push(String(error))),
		addresses: ["127.0.0.1:0"],
		clock: systemClock,
		onFault: (error) => logged.push(String(error)),
	});
	session = connectHttp2Raw(`http://${server.addresses[0]}`);
	undo.push(
		() => server.close(0),
		() => session.destroy(),
	);
});
beforeEach(() => void logged.splice(0));
afterAll(async () => {
	for (const step of undo.reverse()) await step();
});

/** All that comes of such a request: the status, and then fields and body as text. */
async function ask(method: string, type: string, ...pieces: readonly Uint8Array[]): Promise<string> {
	const path = `/carrier.v1.CarrierService/${method}`;
	const stream = session.request({ ":method": "POST", ":path": path, "content-type": type, te: "trailers" });
	let answer = "";
	const hear = (fields: object): void => {
		for (const [name, value] of Object.entries(fields)) answer += `${name}: ${decodeURIComponent(String(value))}\n`;
	};
	stream.on("response", hear).on("trailers", hear);
	for (const piece of pieces) stream.write(piece);
	stream.end();
	for await (const chunk of stream) answer += decodeURIComponent(Buffer.from(chunk).toString("latin1"));
	return answer;
}

const protobuf = Uint8Array.of(0xff, 0xff);
const json = Buffer.from("{");
const codes = new RegExp(`"${codeToString(Code.InvalidArgument)}"|grpc-status: ${Code.InvalidArgument}`);

test.each<readonly [method: string, type: string, body: Uint8Array]>([
	["Unary", "application/proto", protobuf],
	["Unary", "application/json", json],
	["Unary", "application/grpc", encodeEnvelope(0, protobuf)],
	["Unary", "application/grpc+json", encodeEnvelope(0, json)],
	["Unary", "application/grpc-web+proto", encodeEnvelope(0, protobuf)],
	["Count", "application/connect+proto", encodeEnvelope(0, protobuf)],
	["Count", "application/grpc", encodeEnvelope(0, protobuf)],
	["Collect", "application/grpc", encodeEnvelope(0, protobuf)],
	["Echo", "application/grpc-web", encodeEnvelope(0, protobuf)],
	["Echo", "application/connect+json", encodeEnvelope(0, json)],
])("%s as %s is refused with INVALID_ARGUMENT and why, and nothing is told to the log", async (method, type, body) => {
	const answer = await ask(method, type, body);
	expect(answer).toMatch(codes);
	expect(answer).toMatch(/cannot (?:be read|decode)|premature EOF/);
	expect(logged).toEqual([]);
});

test("a message that can be read passes whole, however it is cut", async () => {
	const text = "a text that comes in pieces";
	const message = Buffer.from([0x0a, text.length, ...Buffer.from(text)]);
	const bytesOf = (body: Uint8Array) => Array.from(body, (byte) => Uint8Array.of(byte));
	for (const type of ["application/grpc", "application/grpc-web"])
		expect(await ask("Unary", type, ...bytesOf(encodeEnvelope(0, message)))).toContain(text);
	expect(await ask("Unary", "application/proto", ...bytesOf(message))).toContain(text);
});

test("a message that ends too early, or is over the bound, is told so", async () => {
	expect(await ask("Unary", "application/grpc", encodeEnvelope(0, protobuf).subarray(0, 6))).toMatch(codes);
	const tooLarge = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
	expect(await ask("Unary", "application/grpc", tooLarge)).toContain(`grpc-status: ${Code.ResourceExhausted}`);
	const long = new Uint8Array(2 * 1024 * 1024);
	expect(await ask("Unary", "application/proto", long)).toContain(`"${codeToString(Code.ResourceExhausted)}"`);
});
