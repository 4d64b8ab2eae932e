// The frames of HTTP/2: a head of nine bytes, then what it announces (RFC 9113, section 4.1).

const headBytes = 9;
/** What an endpoint takes unless it says otherwise (section 4.2). We never say otherwise. */
export const payloadMaxBytes = 16_384;

/** Section 6. */
export const type = {
	data: 0,
	headers: 1,
	rstStream: 3,
	settings: 4,
	pushPromise: 5,
	ping: 6,
	goaway: 7,
	windowUpdate: 8,
	continuation: 9,
} as const;

/** Of DATA and HEADERS; and of SETTINGS and PING. */
export const flag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

/** Section 6.5.2. */
export const setting = { headerTableSize: 1, enablePush: 2, streamsMax: 3, initialWindow: 4, payloadMax: 5 } as const;

/** What comes first from a client (section 3.4). */
export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export function encodeFrame(kind: number, flags: number, stream: number, payload?: Uint8Array): Buffer {
	const length = payload === undefined ? 0 : payload.length;
	const frame = Buffer.allocUnsafe(headBytes + length);
	frame[0] = length >>> 16;
	frame[1] = length >>> 8;
	frame[2] = length;
	frame[3] = kind;
	frame[4] = flags;
	frame.writeUInt32BE(stream, 5);
	if (payload !== undefined) frame.set(payload, headBytes);
	return frame;
}

/** A frame whose payload is unsigned numbers of 32 bits. */
export function encodeNumbers(kind: number, flags: number, stream: number, ...numbers: readonly number[]): Buffer {
	const payload = Buffer.allocUnsafe(4 * numbers.length);
	for (let i = 0; i < numbers.length; i++) payload.writeUInt32BE(numbers[i]!, 4 * i);
	return encodeFrame(kind, flags, stream, payload);
}

const settingBytes = 6;

export function encodeSettings(settings: readonly (readonly [id: number, value: number])[]): Buffer {
	const payload = Buffer.allocUnsafe(settingBytes * settings.length);
	settings.forEach(([id, value], i) => {
		payload.writeUInt16BE(id, settingBytes * i);
		payload.writeUInt32BE(value, settingBytes * i + 2);
	});
	return encodeFrame(type.settings, 0, 0, payload);
}

/** `undefined` for a payload that is not made of whole settings. */
export function decodeSettings(payload: Buffer): [id: number, value: number][] | undefined {
	if (payload.length % settingBytes !== 0) return undefined;
	const settings: [number, number][] = [];
	for (let at = 0; at < payload.length; at += settingBytes)
		settings.push([payload.readUInt16BE(at), payload.readUInt32BE(at + 2)]);
	return settings;
}

/** Throws where a frame is not to be taken; nothing is read after that. */
type OnFrame = (kind: number, flags: number, stream: number, payload: Buffer) => void;

/** Calls `onFrame` for each frame that is whole, and `onTooLong` once where one announces more than is taken. */
export function createFrameReader(onFrame: OnFrame, onTooLong: () => void): (chunk: Buffer) => void {
	/** The start of a frame that is not whole yet. */
	let begun: Buffer | undefined;
	let over = false;

	return (chunk) => {
		const bytes = begun === undefined ? chunk : Buffer.concat([begun, chunk]);
		begun = undefined;
		let at = 0;
		while (!over && bytes.length - at >= headBytes) {
			const length = bytes.readUIntBE(at, 3);
			if (length > payloadMaxBytes) {
				over = true;
				onTooLong();
				return;
			}
			const end = at + headBytes + length;
			if (bytes.length < end) break;
			const start = at + headBytes;
			at = end;
			onFrame(
				bytes[start - 6]!,
				bytes[start - 5]!,
				bytes.readUInt32BE(start - 4) & 0x7fffffff,
				bytes.subarray(start, end),
			);
		}
		if (!over && at < bytes.length) begun = at === 0 ? bytes : bytes.subarray(at);
	};
}
