// Rules of HTTP/2 that a peer broke, each with the code that tells it so (RFC 9113, section 7).
import { constants as h2 } from "node:http2";

/** The connection ends with it. */
export class PeerError extends Error {
	override readonly name = "PeerError";
	readonly code: number;
	constructor(code: number, message: string) {
		super(message);
		this.code = code;
	}
}

export const broken = (what: string): PeerError => new PeerError(h2.NGHTTP2_PROTOCOL_ERROR, what);
export const tooMuch = (what: string): PeerError => new PeerError(h2.NGHTTP2_ENHANCE_YOUR_CALM, `too many ${what}`);
export const notGranted = (): PeerError =>
	new PeerError(h2.NGHTTP2_FLOW_CONTROL_ERROR, "more came, or was granted, than can be");
export const afterEnd = (): PeerError => new PeerError(h2.NGHTTP2_STREAM_CLOSED, "a stream went on after its end");
export const badSize = (what: string): PeerError =>
	new PeerError(h2.NGHTTP2_FRAME_SIZE_ERROR, `${what} has a wrong length`);
export const badHeader = (what: string): PeerError => new PeerError(h2.NGHTTP2_COMPRESSION_ERROR, what);
