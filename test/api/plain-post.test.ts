// What is plain and what is not: taken for plain is only what cannot be read in two ways.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createKnownHeads, incomplete, other, readPlainPost } from "../../src/api/plain-post.ts";
import { request } from "./bad-input.ts";

const body = '{"correlationId":"0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5e","amount":19.90}';
const type = "Content-Type: application/json";
const length = `Content-Length: ${body.length}`;
const line = "POST /payments";
const plain = request(line, [type, length], body);
const headerMaxBytes = 1024;
const read = (text: string) => readPlainPost(text, headerMaxBytes);

describe("a plain request", () => {
	test.each([
		["with what every client sends", [type, length, "Accept: */*", "User-Agent: shop/1.0 (x; y)"]],
		["in another order and case", [`CONTENT-LENGTH:${body.length}`, "content-type:\tApplication/JSON; charset=UTF-8 "]],
		["that asks for its connection to be kept", [type, length, "Connection: Keep-Alive"]],
		["with fields that nobody knows, some empty", [type, length, "X-Empty:", "X-Token: !#$%&'*+-.^_`|~ ()<>@"]],
	])("%s is read", (_, headers) => {
		expect(read(request(line, headers, body))).toBe(body);
	});

	test("is incomplete until its last byte, and not alone with one more", () => {
		for (let end = 0; end < plain.length; end++) expect(read(plain.slice(0, end))).toBe(incomplete);
		expect(read(plain)).toBe(body);
		expect(read(`${plain}P`)).toBe(other);
	});

	test("may be empty, or as long as a payment's body may be", () => {
		expect(read(request(line, [type, "Content-Length: 0"]))).toBe("");
		expect(read(request(line, [type, "Content-Length: 1024"], "x".repeat(1024)))).toBe("x".repeat(1024));
		expect(read(request(line, [type, "Content-Length: 1025"], "x".repeat(1025)))).toBe(other);
	});
});

describe("another request", () => {
	test.each([
		["another target", request("POST /payments?x=1", [type, length], body)],
		["another method", request("PUT /payments", [type, length], body)],
		["another version", plain.replace("HTTP/1.1", "HTTP/1.0")],
		["an empty line before it", `\r\n${plain}`],
		["no host", plain.replace("Host: relay\r\n", "")],
		["two hosts", request(line, ["Host: relay", type, length], body)],
		["a host that a URL might not have", plain.replace("Host: relay", "Host: relay:99999")],
		["no type", request(line, [length], body)],
		["two types", request(line, [type, type, length], body)],
		["another type", request(line, ["Content-Type: text/plain", length], body)],
		["no length", request(line, [type], body)],
		["two lengths", request(line, [type, length, length], body)],
		["a length with a sign", request(line, [type, `Content-Length: +${body.length}`], body)],
		["chunks", request(line, [type, "Transfer-Encoding: chunked"], "0\r\n\r\n")],
		["length and chunks", request(line, [type, length, "transfer-encoding: chunked"], body)],
		["an expectation", request(line, [type, length, "Expect: 100-continue"], body)],
		["the end of its connection", request(line, [type, length, "Connection: close"], body)],
		["the same, said to a proxy", request(line, [type, length, "Proxy-Connection: close"], body)],
		["another protocol to go on with", request(line, [type, length, "Upgrade: h2c"], body)],
		["a blank before a colon", request(line, [type, length, "Transfer-Encoding : chunked"], body)],
		["a line that goes on", request(line, [type, length, "X: a\r\n b"], body)],
		["a bare line feed", request(line, [type, length, "X: a\nTransfer-Encoding: chunked"], body)],
		["a bare carriage return", request(line, [type, length, "X: a\rb"], body)],
		["a header without a colon", request(line, [type, length, "nonsense"], body)],
		["a header without a name", request(line, [type, length, ": x"], body)],
		["a control character", request(line, [type, length, "X: \u0000"], body)],
		["more fields than anyone sends", request(line, [type, length, ...Array(98).fill("X:")], body)],
		["a header too large", request(line, [type, length, `X: ${"x".repeat(headerMaxBytes)}`], body)],
		["a header too large that goes on", `${line} HTTP/1.1\r\nX: ${"x".repeat(headerMaxBytes)}`],
	])("with %s is not plain", (_, text) => {
		expect(read(text)).toBe(other);
	});

	test("is never one that a change of one character made plain with another body", () => {
		const changed = fc.tuple(
			fc.integer({ min: 0, max: plain.indexOf("\r\n\r\n") + 3 }),
			fc.constantFrom("", " ", ":", "\r", "\n", "\t", "0", "9", "x", "\u0000", "\r\n"),
		);
		fc.assert(
			fc.property(changed, ([at, by]) => {
				const answer = read(plain.slice(0, at) + by + plain.slice(at + 1));
				expect([body, incomplete, other]).toContain(answer);
			}),
		);
	});
});

describe("a head that was plain before", () => {
	test("is known again, with whatever body has the length that it declares", () => {
		const heads = createKnownHeads();
		readPlainPost(plain, headerMaxBytes, heads);
		expect(heads.bodyOf(plain), "once may be by chance").toBe(undefined);
		readPlainPost(plain, headerMaxBytes, heads);
		const other = body.replace("19.90", "20.10");
		expect(heads.bodyOf(plain)).toBe(body);
		expect(heads.bodyOf(plain.replace(body, other))).toBe(other);
	});

	test("is known to the last character, and only with a whole body and nothing behind it", () => {
		const heads = createKnownHeads();
		readPlainPost(plain, headerMaxBytes, heads);
		readPlainPost(plain, headerMaxBytes, heads);
		const bodyAt = plain.length - body.length;
		for (let at = 0; at < bodyAt; at++) {
			const changed = `${plain.slice(0, at)}\u0001${plain.slice(at + 1)}`;
			expect(heads.bodyOf(changed)).toBe(undefined);
		}
		for (let end = 0; end < plain.length; end++) expect(heads.bodyOf(plain.slice(0, end))).toBe(undefined);
		expect(heads.bodyOf(`${plain}P`)).toBe(undefined);
	});

	test("is not learnt from what is incomplete, or not plain", () => {
		const heads = createKnownHeads();
		readPlainPost(plain.slice(0, -1), headerMaxBytes, heads);
		readPlainPost(request("PUT /payments", [type, length], body), headerMaxBytes, heads);
		readPlainPost(`${plain}P`, headerMaxBytes, heads);
		expect(heads.bodyOf(plain)).toBe(undefined);
	});

	test("is forgotten after many others that come again, and not for those that never do", () => {
		const heads = createKnownHeads();
		const post = (n: number) => readPlainPost(request(line, [type, length, `X: ${n}`], body), headerMaxBytes, heads);
		for (let n = 0; n < 2; n++) readPlainPost(plain, headerMaxBytes, heads);
		for (let n = 0; n < 100; n++) post(n);
		expect(heads.bodyOf(plain)).toBe(body);
		for (let n = 0; n < 200; n++) post(Math.floor(n / 2));
		expect(heads.bodyOf(plain)).toBe(undefined);
	});
});
