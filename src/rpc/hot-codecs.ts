// How messages become bytes and bytes messages: by hand for those of the hot streams, by protobuf-es for all others.
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type HotCodec, hotCodecs } from "./codec/hot-messages.ts";

export interface Codec<Desc extends DescMessage> {
	/** `headBytes`: so many before the message are the caller's to fill, who so need not copy it behind a frame's head. */
	encode(message: MessageShape<Desc>, headBytes?: number): Buffer;
	decode(bytes: Uint8Array): MessageShape<Desc>;
}

/**
 * Gives what protobuf-es gives for whatever the types allow, and accepts exactly what it does; it has what the hand-written
 * codecs leave.
 */
export function codecFor<Desc extends DescMessage>(desc: Desc): Codec<Desc> {
	const hot = hotCodecs.get(desc) as HotCodec<Desc> | undefined;
	return {
		encode: (message, headBytes = 0) => hot?.encode(message, headBytes) ?? behind(headBytes, toBinary(desc, message)),
		decode: (bytes) => hot?.decode(bytes) ?? fromBinary(desc, bytes),
	};
}

function behind(headBytes: number, message: Uint8Array): Buffer {
	const bytes = Buffer.allocUnsafe(headBytes + message.length);
	bytes.set(message, headBytes);
	return bytes;
}
