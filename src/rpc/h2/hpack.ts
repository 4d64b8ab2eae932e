// Header fields as HTTP/2 carries them: HPACK (RFC 7541), without its dynamic table, which our endpoints do not grant.
import { decodeHuffman } from "./huffman.ts";

export type Field = readonly [name: string, value: string];

/** What is wrong with a block of fields; the connection's state is lost with it (RFC 9113, section 4.3). */
export class HeaderError extends Error {
	override readonly name = "HeaderError";
}

/** Appendix A, from index 1. */
const staticTable: readonly Field[] = [
	[":authority", ""],
	[":method", "GET"],
	[":method", "POST"],
	[":path", "/"],
	[":path", "/index.html"],
	[":scheme", "http"],
	[":scheme", "https"],
	...["200", "204", "206", "304", "400", "404", "500"].map((status): Field => [":status", status]),
	["accept-charset", ""],
	["accept-encoding", "gzip, deflate"],
	...[
		"accept-language",
		"accept-ranges",
		"accept",
		"access-control-allow-origin",
		"age",
		"allow",
		"authorization",
		"cache-control",
		"content-disposition",
		"content-encoding",
		"content-language",
		"content-length",
		"content-location",
		"content-range",
		"content-type",
		"cookie",
		"date",
		"etag",
		"expect",
		"expires",
		"from",
		"host",
		"if-match",
		"if-modified-since",
		"if-none-match",
		"if-range",
		"if-unmodified-since",
		"last-modified",
		"link",
		"location",
		"max-forwards",
		"proxy-authenticate",
		"proxy-authorization",
		"range",
		"referer",
		"refresh",
		"retry-after",
		"server",
		"set-cookie",
		"strict-transport-security",
		"transfer-encoding",
		"user-agent",
		"vary",
		"via",
		"www-authenticate",
	].map((name): Field => [name, ""]),
];

/** Begins an encoder's first block: it uses no table, whatever room the peer would have given it (section 4.2). */
export const noTable = 0x20;

/** Names in lower case. Every field is spelled out and left out of any table (section 6.2.2): any endpoint can read it. */
export function encodeFields(fields: readonly Field[], ...before: readonly number[]): Buffer {
	const parts: Uint8Array[] = [Uint8Array.from(before)];
	const literal = (text: string): void => {
		const bytes = Buffer.from(text, "latin1");
		parts.push(encodeInteger(bytes.length, 7), bytes);
	};
	for (const [name, value] of fields) {
		parts.push(Uint8Array.of(0));
		literal(name);
		literal(value);
	}
	return Buffer.concat(parts);
}

export interface HeaderBounds {
	readonly headerPairsMax: number;
	/** Of all names and values together, as they are once decoded. */
	readonly headerMaxBytes: number;
}

/** Throws a HeaderError. */
export function decodeFields(block: Uint8Array, { headerPairsMax, headerMaxBytes }: HeaderBounds): Field[] {
	const fields: Field[] = [];
	let at = 0;
	let bytes = 0;

	function add(field: Field): void {
		bytes += field[0].length + field[1].length;
		if (fields.push(field) > headerPairsMax || bytes > headerMaxBytes)
			throw new HeaderError("there are more fields than are taken");
	}

	/** A number whose first byte is the one that was just passed, in its lowest bits (section 5.1). */
	function integer(bits: number): number {
		const most = (1 << bits) - 1;
		let value = block[at - 1]! & most;
		if (value < most) return value;
		for (let shift = 0; ; shift += 7) {
			const byte = block[at++];
			if (byte === undefined || shift > 21) throw new HeaderError("a number does not end");
			value += (byte & 0x7f) << shift;
			if (byte < 0x80) return value;
		}
	}

	function text(): string {
		const first = block[at++];
		if (first === undefined) throw new HeaderError("a text is missing");
		const length = integer(7);
		if (at + length > block.length) throw new HeaderError("a text does not end");
		const bytes = block.subarray(at, at + length);
		at += length;
		if (first < 0x80) return Buffer.from(bytes).toString("latin1");
		const decoded = decodeHuffman(bytes);
		if (decoded === undefined) throw new HeaderError("a text is not coded as it should be");
		return decoded;
	}

	function indexed(index: number): Field {
		const field = staticTable[index - 1];
		if (!field) throw new HeaderError(`there is no field ${index}`);
		return field;
	}

	while (at < block.length) {
		const first = block[at++]!;
		if (first >= 0x80) add(indexed(integer(7)));
		else if (first >= 0x20 && first < 0x40) {
			if (integer(5) > 0) throw new HeaderError("a table was not granted");
		} else {
			// What a table would take is not kept: it has no room.
			const index = integer(first >= 0x40 ? 6 : 4);
			const name = index === 0 ? text() : indexed(index)[0];
			add([name, text()]);
		}
	}
	return fields;
}

function encodeInteger(value: number, bits: number): Uint8Array {
	const most = (1 << bits) - 1;
	if (value < most) return Uint8Array.of(value);
	const bytes = [most];
	let rest = value - most;
	for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
	bytes.push(rest);
	return Uint8Array.from(bytes);
}
