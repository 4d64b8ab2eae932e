// The four places where the AMQP library is used beyond what its types tell; what they rely on is in its source.
import type { Duplex } from "node:stream";
import type { ChannelModel, ConfirmChannel, MessageProperties } from "amqplib";
import { headerFrameLength, leftOut, withoutUnreadable } from "./header-frame.ts";

interface Insides {
	/** What was agreed with the broker, bytes. */
	readonly frameMax: number;
	readonly stream: Duplex;
	/** By number; null where none is open. Whatever is there is given the frames of that number, and told the end. */
	readonly channels: (null | {
		readonly channel: { accept(frame: unknown): void; toClosed(): void };
	})[];
	/** What has come and was not yet taken as frames. */
	rest: Buffer;
	/** The next frame, decoded, taken from `rest`; it calls itself after reading more into that. False: there is none yet. */
	recvFrame(): false | { readonly fields: MessageProperties };
}

function insidesOf(model: ChannelModel): Insides {
	return model.connection as unknown as Insides;
}

export function frameMaxOf(model: ChannelModel): number {
	return insidesOf(model).frameMax;
}

/** With an error, of which the library hears, and ends its timers. */
export function destroy(model: ChannelModel): void {
	insidesOf(model).stream.destroy(new Error("closed"));
}

/**
 * A broker may still deliver on a channel that it has just closed, against AMQP 0-9-1: RabbitMQ does, now and then
 * (github.com/rabbitmq/rabbitmq-server/issues/13384). The library would end the whole connection for it. Such frames are
 * ignored instead, as the broker's own clients do, until the number is another channel's: what was not acknowledged is
 * delivered again anyway.
 */
export function ignoreAfterClose(model: ChannelModel, channel: ConfirmChannel): void {
	const { channels } = insidesOf(model);
	const { ch: number } = channel as unknown as { readonly ch: number };
	channel.once("close", () => {
		channels[number] ??= { channel: { accept() {}, toClosed() {} } };
	});
}

/**
 * A message with headers that the library cannot decode arrives without those, and marked, where it would cost the
 * connection: whoever reads it decides what becomes of it. The library decodes what it receives in no place that could be
 * set or replaced otherwise.
 */
export function leaveOutUnreadable(model: ChannelModel): void {
	const insides = insidesOf(model);
	const recvFrame = insides.recvFrame.bind(insides);
	insides.recvFrame = () => {
		const { rest } = insides;
		const length = headerFrameLength(rest);
		const readable = length > 0 ? withoutUnreadable(rest, length) : undefined;
		if (!readable) return recvFrame();
		insides.rest = readable;
		const decoded = recvFrame();
		insides.rest = rest.subarray(length);
		if (decoded) Object.assign(decoded.fields.headers!, { [leftOut]: true });
		return decoded;
	};
}
