// Writes one ordinary protobuf message at a time, in as little code as that takes.
//
// A process that was asleep runs it from cold caches, where a call into the runtime costs more than a short loop: 36
// characters one by one take a fifth of what Buffer's own write takes then. What is not ordinary (an id that is not 36
// ASCII characters, a number below 0 or beyond 2⁵³, unknown fields) is noticed and left to protobuf-es.
//
// A caller starts, writes the fields in the order of their numbers, which are below 16, and takes what was written.

/** Of a UUID as text. */
const idLength = 36;

/** Messages are written one behind the other into a piece of memory that they share, so that none is copied. */
const slabBytes = 16_384;
/** What a message needs beside what is in its lists. */
const fieldsBytesMax = 32;

let slab = Buffer.allocUnsafeSlow(slabBytes);
let start = 0;
let at = 0;
let ordinary = true;

/**
 * `listBytesMax`: what its lists may need; a message that needs more than a slab gets one of its own size. `headBytes`: what
 * is left before the message for the caller to fill.
 */
export function startWriting(listBytesMax: number, headBytes: number): void {
	const bytesMax = headBytes + fieldsBytesMax + listBytesMax;
	if (slab.length - at < bytesMax) {
		slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytesMax));
		at = 0;
	}
	start = at;
	at += headBytes;
	ordinary = true;
}

/** The bytes of the head and the message; `undefined` where it was not ordinary. */
export function written(unknown: readonly unknown[] | undefined): Buffer | undefined {
	if (ordinary && unknown === undefined) return slab.subarray(start, at);
	at = start;
	return undefined;
}

export function writeId(field: number, id: string): void {
	if (id === "") return;
	if (id.length !== idLength) {
		ordinary = false;
		return;
	}
	slab[at] = (field << 3) | 2;
	slab[at + 1] = idLength;
	const from = at + 2;
	let bits = 0;
	for (let i = 0; i < idLength; i++) {
		const code = id.charCodeAt(i);
		bits |= code;
		slab[from + i] = code;
	}
	if (bits > 0x7f) ordinary = false;
	at = from + idLength;
}

/** An int64 or uint64. */
export function writeLong(field: number, long: bigint): void {
	// Whatever else a caller without types may give is for protobuf-es to refuse.
	const value = typeof long === "bigint" ? Number(long) : -1;
	writeNumber(field, value, value >= 0 && value <= Number.MAX_SAFE_INTEGER);
}

export function writeUint32(field: number, value: number): void {
	writeNumber(field, value, value >>> 0 === value);
}

/** The number of an enum's value; that of every one that has a name takes one byte. */
export function writeCode(field: number, code: number): void {
	writeNumber(field, code, (code & 0x7f) === code);
}

/** A list of enums. */
export function writeCodes(field: number, codes: readonly number[]): void {
	if (codes.length === 0) return;
	slab[at++] = (field << 3) | 2;
	writeVarint(codes.length);
	for (let i = 0; i < codes.length; i++) {
		const code = codes[i]!;
		if ((code & 0x7f) !== code) ordinary = false;
		slab[at++] = code;
	}
}

/** A message within: of fewer than 128 bytes, which all are that have one id and are ordinary. */
export function writeItem<Item>(field: number, item: Item, write: (item: Item) => void): void {
	slab[at] = (field << 3) | 2;
	at += 2;
	const from = at;
	write(item);
	slab[from - 1] = at - from;
}

export function writeItems<Item>(field: number, items: readonly Item[], write: (item: Item) => void): void {
	for (let i = 0; i < items.length; i++) writeItem(field, items[i]!, write);
}

/** To be called for each message within, with the unknown fields that it carries. */
export function writeUnknown(unknown: readonly unknown[] | undefined): void {
	if (unknown !== undefined) ordinary = false;
}

function writeNumber(field: number, value: number, fits: boolean): void {
	if (!fits) ordinary = false;
	else if (value !== 0) {
		slab[at++] = field << 3;
		writeVarint(value);
	}
}

/** The low 28 bits and what is above them apart: both stay small integers, which the runtime does not allocate. */
function writeVarint(value: number): void {
	let rest = value;
	if (value >= 2 ** 28) {
		rest = Math.floor(value / 2 ** 28);
		for (let low = value & 0x0fff_ffff, i = 0; i < 4; low >>>= 7, i++) slab[at++] = (low & 0x7f) | 0x80;
	}
	for (; rest > 0x7f; rest >>>= 7) slab[at++] = (rest & 0x7f) | 0x80;
	slab[at++] = rest;
}
