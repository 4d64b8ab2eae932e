// Header fields: what we write is read by anybody, and what anybody writes without a table is read by us.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { createStreamClient } from "../../../src/rpc/h2/client.ts";
import { decodeFields, encodeFields, type Field, HeaderError } from "../../../src/rpc/h2/hpack.ts";
import { decodeHuffman } from "../../../src/rpc/h2/huffman.ts";
import { dialTo, keptAlive, limits } from "./lab.ts";

const token = fc.stringMatching(/^[a-z0-9!#$%&'*+.^_`|~-]{1,40}$/);
const value = fc.stringMatching(/^([!-~]([ -~]{0,300}[!-~])?)?$/);

test("what is written is read again", () => {
	fc.assert(
		fc.property(fc.array(fc.tuple(token, value), { maxLength: 20 }), (fields) => {
			expect(decodeFields(encodeFields(fields), limits)).toEqual(fields);
		}),
	);
});

/** RFC 7541, Appendix C. */
test.each([
	["f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"],
	["a8eb10649cbf", "no-cache"],
	["25a849e95ba97d7f", "custom-key"],
	["25a849e95bb8e8b4bf", "custom-value"],
	["6402", "302"],
	["aec3771a4b", "private"],
	["d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"],
	["9d29ad171863c78f0b97c8e9ae82ae43d3", "https://www.example.com"],
	["9bd9ab", "gzip"],
	["", ""],
])("the code %s is %s", (hex, text) => {
	expect(decodeHuffman(Buffer.from(hex, "hex"))).toBe(text);
});

test.each([
	["padding that is too long", "ff"],
	["padding that is not of ones", "a8eb10649cb0"],
	["the code that ends texts", "fffffffc"],
])("a text with %s is refused", (_, hex) => {
	expect(decodeHuffman(Buffer.from(hex, "hex"))).toBe(undefined);
});

test.each([
	["a field of the table that was not granted", "be"],
	["field 0", "80"],
	["a text that does not end", "000a6162"],
	["a number that does not end", "ffffffffffff"],
	["a number that is no length", "007fffffffff7f"],
	["a table that was not granted", "3fe11f"],
	["a name without a value", "000161"],
])("a block with %s is refused", (_, hex) => {
	expect(() => decodeFields(Buffer.from(hex, "hex"), limits)).toThrow(HeaderError);
});

test("no more fields are read than are taken, whatever is in the block", () => {
	const bounds = { headerPairsMax: 3, headerMaxBytes: 100 };
	const read = (fields: readonly Field[]) => decodeFields(encodeFields(fields), bounds);
	expect(read([["a", "x".repeat(99)]])).toHaveLength(1);
	expect(() => read([["a", "x".repeat(100)]])).toThrow(HeaderError);
	expect(() => decodeFields(Buffer.alloc(4, 0x82), bounds), "four short references").toThrow(HeaderError);
});

test("of any bytes fields are made, or they are refused, and nothing else happens", () => {
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
			try {
				for (const field of decodeFields(bytes, limits)) expect(field).toHaveLength(2);
			} catch (error) {
				expect(error).toBeInstanceOf(HeaderError);
			}
		}),
		{ numRuns: 5_000 },
	);
});

/** Answers each stream with the header that it has for its path. */
const answers = new Map<string, Record<string, string>>();
const server = createServer();
server.on("stream", (stream, headers) => {
	stream.respond({ ":status": 200, ...answers.get(String(headers[":path"])) }, { endStream: true });
	seen.set(String(headers[":path"]), headers);
});
const seen = new Map<string, unknown>();
const client = createStreamClient({
	dial: () => dialTo((server.address() as AddressInfo).port),
	limits,
	keptAlive,
	clock: systemClock,
});
beforeAll(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
afterAll(() => {
	client.close();
	server.close();
});

function ask(path: string, fields: readonly Field[]): Promise<readonly Field[]> {
	return new Promise((resolve, reject) => {
		const pseudo: Field[] = [
			[":method", "POST"],
			[":scheme", "http"],
			[":authority", "relay"],
			[":path", path],
		];
		client.request([...pseudo, ...fields], {
			onHead: resolve,
			onData() {},
			onEnd() {},
			onDrain() {},
			onClose: (_, error) => reject(error ?? new Error("closed")),
		});
	});
}

test("node:http2 reads what we write, and we read what it writes, whatever it is", async () => {
	const header = fc.dictionary(fc.stringMatching(/^x-[a-z0-9-]{1,20}$/), value, { maxKeys: 8 });
	await fc.assert(
		fc.asyncProperty(header, async (fields) => {
			const path = `/${randomBytes(8).toString("hex")}`;
			answers.set(path, { ...fields });
			const answered = Object.fromEntries(await ask(path, Object.entries(fields)));
			expect(answered).toMatchObject({ ":status": "200", ...fields });
			expect(seen.get(path)).toMatchObject({ ":path": path, ...fields });
		}),
		{ numRuns: 200 },
	);
});
