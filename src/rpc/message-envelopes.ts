// The messages of a stream as envelopes, and back, within the limits of a message.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { messageLimits } from "./carrier.ts";
import { envelopeHeadBytes, writeEnvelopeHead } from "./envelope.ts";
import { codecFor } from "./hot-codecs.ts";

export interface MessageEnvelopes<Desc extends DescMessage> {
	/** INTERNAL where the message cannot be encoded, RESOURCE_EXHAUSTED where it is too long. */
	encode(message: MessageShape<Desc>): Buffer;
	/** The message of an envelope. An error of the code `unreadable` where it is none. */
	decode(data: Uint8Array): MessageShape<Desc>;
}

export function messageEnvelopes<Desc extends DescMessage>(desc: Desc, unreadable: Code): MessageEnvelopes<Desc> {
	const codec = codecFor(desc);
	const { writeMaxBytes } = messageLimits;
	return {
		encode(message) {
			let envelope: Buffer;
			try {
				envelope = codec.encode(message, envelopeHeadBytes);
			} catch (cause) {
				throw new ConnectError(`the message cannot be encoded: ${cause}`, Code.Internal, undefined, undefined, cause);
			}
			const length = envelope.length - envelopeHeadBytes;
			if (length > writeMaxBytes)
				throw new ConnectError(`a message of ${length} bytes is over ${writeMaxBytes}`, Code.ResourceExhausted);
			writeEnvelopeHead(envelope, 0);
			return envelope;
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
