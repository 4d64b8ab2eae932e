// What the payloads of frames say, and what is wrong with them: each function throws a PeerError.
import { decodeSettings, flag, payloadMaxBytes, setting } from "./frame.ts";
import { decodeFields, type Field, type HeaderBounds, HeaderError } from "./hpack.ts";
import { badHeader, badSize, broken, notGranted, tooMuch } from "./peer-error.ts";
import { windowMax } from "./stream.ts";

/** Of DATA and HEADERS. */
export function unpadded(flags: number, payload: Buffer): Buffer {
	if ((flags & flag.padded) === 0) return payload;
	const padding = payload[0] ?? 0;
	if (padding >= payload.length) throw broken("there is more padding than frame");
	return payload.subarray(1, payload.length - padding);
}

/** Of HEADERS. */
export function readFields(flags: number, payload: Buffer, bounds: HeaderBounds): Field[] {
	if ((flags & flag.endHeaders) === 0) throw broken("a header came in pieces");
	try {
		return decodeFields(unpadded(flags, payload).subarray((flags & flag.priority) !== 0 ? 5 : 0), bounds);
	} catch (error) {
		if (!(error instanceof HeaderError)) throw error;
		throw badHeader(error.message);
	}
}

/** Of SETTINGS: the windows that the peer gives to streams, in turn; nothing else that it sets matters here. */
export function readWindows(payload: Buffer, settingsMax: number): number[] {
	const settings = decodeSettings(payload);
	if (!settings) throw badSize("SETTINGS");
	if (settings.length > settingsMax) throw tooMuch("settings");
	const windows: number[] = [];
	for (const [name, value] of settings) {
		const wrong =
			(name === setting.enablePush && value > 1) ||
			(name === setting.payloadMax && (value < payloadMaxBytes || value >= 2 ** 24));
		if (wrong) throw broken("a setting has a wrong value");
		if (name !== setting.initialWindow) continue;
		if (value > windowMax) throw notGranted();
		windows.push(value);
	}
	return windows;
}

/** Of WINDOW_UPDATE. */
export function readIncrement(payload: Buffer): number {
	if (payload.length !== 4) throw badSize("WINDOW_UPDATE");
	const by = payload.readUInt32BE() & 0x7fffffff;
	if (by === 0) throw broken("a window grows by nothing");
	return by;
}

/** Of GOAWAY. */
export function readFarewell(payload: Buffer): { readonly last: number; readonly code: number } {
	if (payload.length < 8) throw badSize("GOAWAY");
	return { last: payload.readUInt32BE() & 0x7fffffff, code: payload.readUInt32BE(4) };
}
