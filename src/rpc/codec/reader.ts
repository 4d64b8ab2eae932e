// Reads one ordinary protobuf message at a time, in as little code as that takes.
//
// Ordinary is what protobuf-es itself writes: the known fields, each at most once, in the order of their numbers, which
// are below 16; ids of 36 ASCII characters; numbers below 2⁶³ in as few bytes as they need. What else there is leaves bytes
// that nobody has read, or is noticed, and protobuf-es judges the message instead.
//
// A caller starts, reads the fields in order, and asks whether that was all.

/** Of a UUID as text. */
const idLength = 36;
const none = new Uint8Array(0);
/** The two halves of a 64-bit integer, and the integer: cheaper to make than by arithmetic. Needs a little-endian machine. */
const halves = new Int32Array(2);
const long = new BigUint64Array(halves.buffer);
const codes: number[] = Array.from({ length: idLength }, () => 0);

let bytes: Uint8Array = none;
let at = 0;
let ordinary = true;

export function startReading(message: Uint8Array): void {
	bytes = message;
	at = 0;
	ordinary = true;
}

/** Whether all of the message was read, and was ordinary. */
export function readWhole(): boolean {
	const whole = ordinary && at === bytes.length;
	bytes = none;
	return whole;
}

export function readId(field: number): string {
	if (bytes[at] !== ((field << 3) | 2)) return "";
	const from = at + 2;
	if (bytes[at + 1] !== idLength) {
		ordinary = false;
		return "";
	}
	let bits = 0;
	for (let i = 0; i < idLength; i++) {
		const code = bytes[from + i]!;
		bits |= code;
		codes[i] = code;
	}
	if (bits > 0x7f) ordinary = false;
	at = from + idLength;
	return String.fromCharCode(...codes);
}

/** An int64 or uint64. */
export function readLong(field: number): bigint {
	if (bytes[at] !== field << 3) return 0n;
	at++;
	readVarint();
	return long[0]!;
}

export function readUint32(field: number): number {
	if (bytes[at] !== field << 3) return 0;
	at++;
	return readSize();
}

/** The number of an enum's value; whether it has a name is not asked. */
export function readCode<Code extends number>(field: number): Code {
	if (bytes[at] !== field << 3) return 0 as Code;
	const code = bytes[at + 1]!;
	if (code === 0 || code > 0x7f) ordinary = false;
	at += 2;
	return code as Code;
}

/** A list of enums. */
export function readCodes<Code extends number>(field: number): Code[] {
	const list: Code[] = [];
	if (bytes[at] !== ((field << 3) | 2)) return list;
	at++;
	const size = readSize();
	const end = at + size;
	if (end > bytes.length) ordinary = false;
	else
		for (; at < end; at++) {
			const code = bytes[at]!;
			if (code > 0x7f) ordinary = false;
			list.push(code as Code);
		}
	return list;
}

/** A message within, if there is one; no ordinary one has 128 bytes, so its length is one. */
export function readItem<Item>(field: number, read: () => Item): Item | undefined {
	if (bytes[at] !== ((field << 3) | 2)) return undefined;
	const end = at + 2 + bytes[at + 1]!;
	at += 2;
	const item = read();
	if (at !== end) ordinary = false;
	return item;
}

export function readItems<Item>(field: number, read: () => Item): Item[] {
	const items: Item[] = [];
	for (;;) {
		const item = readItem(field, read);
		if (item === undefined) return items;
		items.push(item);
	}
}

function readSize(): number {
	readVarint();
	if (halves[1] !== 0) ordinary = false;
	return halves[0]! >>> 0;
}

/** Into `halves`. Beyond the last byte there are zeros to read, and then the message has ended too early. */
function readVarint(): void {
	let next = at;
	let byte = bytes[next++]!;
	let low = byte & 0x7f;
	let high = 0;
	if (byte > 0x7f) {
		for (let shift = 7; byte > 0x7f && shift < 28; shift += 7) {
			byte = bytes[next++]!;
			low |= (byte & 0x7f) << shift;
		}
		if (byte > 0x7f) {
			byte = bytes[next++]!;
			low |= byte << 28;
			high = (byte & 0x7f) >> 4;
		}
		for (let shift = 3; byte > 0x7f && shift < 31; shift += 7) {
			byte = bytes[next++]!;
			high |= (byte & 0x7f) << shift;
		}
	}
	at = next;
	if (byte === 0 || byte > 0x7f) ordinary = false;
	halves[0] = low;
	halves[1] = high;
}
