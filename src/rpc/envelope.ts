// The envelopes of a stream in the Connect protocol: a byte of flags, four of length, then the message (connectrpc.com/docs/protocol).
import { Code, ConnectError } from "@connectrpc/connect";

/** Before each message. */
export const envelopeHeadBytes = 5;
export const compressedFlag = 0b01;
/** The last envelope of a response: trailers, and the error if there was one, as JSON. */
export const endFlag = 0b10;

export function encodeEnvelope(flags: number, data: Uint8Array): Buffer {
	const envelope = Buffer.allocUnsafe(envelopeHeadBytes + data.length);
	envelope.set(data, envelopeHeadBytes);
	writeEnvelopeHead(envelope, flags);
	return envelope;
}

/** Into the first bytes of an envelope whose data is there already. */
export function writeEnvelopeHead(envelope: Buffer, flags: number): void {
	envelope[0] = flags;
	envelope.writeUInt32BE(envelope.length - envelopeHeadBytes, 1);
}

export interface EnvelopeReader {
	/**
	 * Calls `onEnvelope` for each envelope that is whole now. Throws RESOURCE_EXHAUSTED where one announces too much, and what
	 * `onEnvelope` throws. After that it keeps nothing, and ignores what else it is given.
	 */
	read(chunk: Buffer): void;
	/** Whether the last envelope is still to be completed. */
	readonly cut: boolean;
}

export function createEnvelopeReader(
	maxBytes: number,
	onEnvelope: (flags: number, data: Uint8Array) => void,
): EnvelopeReader {
	/**
	 * The start of an envelope, in the first `have` bytes, and how many it has at least. It comes in pieces of any length, of
	 * which a list would weigh a hundred times what is in them.
	 */
	let begun: Buffer = Buffer.alloc(0);
	let have = 0;
	let need = envelopeHeadBytes;
	let dead = false;

	return {
		get cut() {
			return have > 0;
		},
		read(chunk) {
			if (dead) return;
			let bytes = chunk;
			if (have > 0) {
				const all = have + chunk.length;
				if (all > begun.length) {
					const wider = Buffer.allocUnsafeSlow(Math.max(all, Math.min(need, 2 * all)));
					wider.set(begun.subarray(0, have));
					begun = wider;
				}
				begun.set(chunk, have);
				bytes = begun.subarray(0, all);
			}
			if (bytes.length < need) {
				if (have === 0) begun = bytes;
				have = bytes.length;
				return;
			}
			begun = Buffer.alloc(0);
			have = 0;
			// Until all of it is read well: where one envelope is bad, nothing tells where the next one starts.
			dead = true;
			let at = 0;
			for (need = envelopeHeadBytes; bytes.length - at >= need; need = envelopeHeadBytes) {
				const length = bytes.readUInt32BE(at + 1);
				if (length > maxBytes)
					throw new ConnectError(`a message of ${length} bytes is over ${maxBytes}`, Code.ResourceExhausted);
				need = envelopeHeadBytes + length;
				if (bytes.length - at < need) break;
				onEnvelope(bytes[at]!, bytes.subarray(at + envelopeHeadBytes, at + need));
				at += need;
			}
			dead = false;
			have = bytes.length - at;
			begun = bytes.subarray(at);
		},
	};
}
