// The messages of a stream as frames, and back, within the limits of a message.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { MessageLimits } from "./carrier.ts";
import { frameHeadBytes, writeFrameHead } from "./frames.ts";
import { codecFor } from "./hot-codecs.ts";

export interface MessageFrames<Desc extends DescMessage> {
	/** INTERNAL where the message cannot be encoded, RESOURCE_EXHAUSTED where it is too long. */
	encode(message: MessageShape<Desc>): Buffer;
	/** The message of a frame. An error of the code `unreadable` where it is none. */
	decode(data: Uint8Array): MessageShape<Desc>;
}

export function messageFrames<Desc extends DescMessage>(
	desc: Desc,
	{ writeMaxBytes }: Pick<MessageLimits, "writeMaxBytes">,
	unreadable: Code,
): MessageFrames<Desc> {
	const codec = codecFor(desc);
	return {
		encode(message) {
			let frame: Buffer;
			try {
				frame = codec.encode(message, frameHeadBytes);
			} catch (cause) {
				throw new ConnectError(`the message cannot be encoded: ${cause}`, Code.Internal, undefined, undefined, cause);
			}
			const length = frame.length - frameHeadBytes;
			if (length > writeMaxBytes)
				throw new ConnectError(`a message of ${length} bytes is over ${writeMaxBytes}`, Code.ResourceExhausted);
			writeFrameHead(frame, 0);
			return frame;
		},
		decode(data) {
			try {
				return codec.decode(data);
			} catch (cause) {
				throw new ConnectError(`the message cannot be read: ${cause}`, unreadable, undefined, undefined, cause);
			}
		},
	};
}
