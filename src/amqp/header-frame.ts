// Leaves out of the headers of a message what the AMQP library cannot decode, before it tries.
//
// It decodes tables within tables by recursion, and a failure there costs the connection, not the message: which comes
// again, and costs the next one. A header frame is its type, channel and size, then class, weight, the size of the body and
// flags, then the properties that the flags name, in their order, then the end of the frame; see AMQP 0-9-1, sections
// 2.3.5 and 4.2.6.
import type { MessageProperties } from "amqplib";

/** How deep tables and arrays of headers may lie within each other. Our own: 2, RabbitMQ's: 3; the stack takes thousands. */
export const headerLevelsMax = 100;

const headerType = 2;
const [sizeAt, flagsAt, propertiesAt] = [3, 19, 21];
/** Of a frame, without what it carries. */
const frameBytes = 8;
const [contentTypeFlag, contentEncodingFlag, headersFlag] = [0x8000, 0x4000, 0x2000];

const code = (tag: string) => tag.charCodeAt(0);
const [table, array] = [code("F"), code("A")];
/** By the type of a value: its bytes, -1 where their number stands in front of them. All types that the library knows. */
const valueBytes: (number | undefined)[] = Array(256);
for (const [types, size] of [
	["V", 0],
	["tbB", 1],
	["su", 2],
	["Iif", 4],
	["D", 5],
	["ldT", 8],
	["SxFA", -1],
] as const)
	for (const type of types) valueBytes[code(type)] = size;

/** Set on headers that lack something. */
export const leftOut: unique symbol = Symbol("left out");

/** Whether the message's headers are all that its publisher wrote. */
export function headersAreWhole({ headers }: MessageProperties): boolean {
	return headers === undefined || !(leftOut in headers);
}

/** How long the header frame is that these bytes begin with; 0 where they begin with none, or not with all of it. */
export function headerFrameLength(bytes: Buffer): number {
	if (bytes[0] !== headerType || bytes.length < propertiesAt) return 0;
	const length = bytes.readUInt32BE(sizeAt) + frameBytes;
	return length <= bytes.length && length > propertiesAt ? length : 0;
}

/** The header frame without those of its headers that cannot be decoded; `undefined` where all can be. */
export function withoutUnreadable(bytes: Buffer, length: number): Buffer | undefined {
	const flags = bytes.readUInt16BE(flagsAt);
	if (!(flags & headersFlag)) return undefined;
	let lengthAt = propertiesAt;
	if (flags & contentTypeFlag) lengthAt += 1 + bytes[lengthAt]!;
	if (flags & contentEncodingFlag) lengthAt += 1 + bytes[lengthAt]!;
	const start = lengthAt + 4;
	const end = Math.min(start + bytes.readUInt32BE(lengthAt), length - 1);
	if (areReadable(bytes, start, end, true, headerLevelsMax)) return undefined;
	const headers = Buffer.concat([Buffer.alloc(4), ...readableOnes(bytes, start, end)]);
	headers.writeUInt32BE(headers.length - 4);
	const readable = Buffer.concat([bytes.subarray(0, lengthAt), headers, bytes.subarray(end, length)]);
	readable.writeUInt32BE(readable.length - frameBytes, sizeAt);
	return readable;
}

function readableOnes(bytes: Buffer, start: number, end: number): Buffer[] {
	const kept: Buffer[] = [];
	for (let at = start; at < end; ) {
		const next = endOfValue(bytes, at + 1 + bytes[at]!, end);
		// Nothing is known of what is behind a value whose end is not known.
		if (next === undefined) break;
		if (areReadable(bytes, at, next, true, headerLevelsMax)) kept.push(bytes.subarray(at, next));
		at = next;
	}
	return kept;
}

/** Of a table, where each value has its name in front of it, or of an array: what stands in it from `start` to `end`. */
function areReadable(bytes: Buffer, start: number, end: number, named: boolean, levels: number): boolean {
	for (let at = start; at < end; ) {
		if (named) at += 1 + bytes[at]!;
		const next = endOfValue(bytes, at, end);
		if (next === undefined) return false;
		const type = bytes[at];
		if (type === table || type === array) {
			if (levels === 0 || !areReadable(bytes, at + 5, next, type === table, levels - 1)) return false;
		}
		at = next;
	}
	return true;
}

/** Where the value ends whose type is at `at`; `undefined` where that is not known, or not before `end`. */
function endOfValue(bytes: Buffer, at: number, end: number): number | undefined {
	let size = at < end ? valueBytes[bytes[at]!] : undefined;
	if (size === -1) size = at + 5 <= end ? 4 + bytes.readUInt32BE(at + 1) : undefined;
	return size !== undefined && at + 1 + size <= end ? at + 1 + size : undefined;
}
