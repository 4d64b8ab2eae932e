// How messages become bytes and bytes messages: by hand for those of the hot streams, by protobuf-es for all others.
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type HotCodec, hotCodecs } from "./codec/hot-messages.ts";

export interface Codec<Desc extends DescMessage> {
	encode(message: MessageShape<Desc>): Uint8Array;
	decode(bytes: Uint8Array): MessageShape<Desc>;
}

/** Gives and accepts exactly what protobuf-es does, which also has what the hand-written codecs leave. */
export function codecFor<Desc extends DescMessage>(desc: Desc): Codec<Desc> {
	const hot = hotCodecs.get(desc) as HotCodec<Desc> | undefined;
	return {
		encode: (message) => hot?.encode(message) ?? toBinary(desc, message),
		decode: (bytes) => hot?.decode(bytes) ?? fromBinary(desc, bytes),
	};
}
