// Messages whose headers no client library would write: the bytes of their tables, and the frames around them.
import { connect } from "amqplib";

const [methodType, headerType, bodyType, frameEnd] = [1, 2, 3, 0xce];
/** Class and method. */
const basicPublish = 0x003c_0028;
const basicClass = 0x003c;

export function frame(type: number, channel: number, payload: Buffer): Buffer {
	const head = Buffer.alloc(7);
	head.writeUInt8(type, 0);
	head.writeUInt16BE(channel, 1);
	head.writeUInt32BE(payload.length, 3);
	return Buffer.concat([head, payload, Buffer.of(frameEnd)]);
}

/** With its length in front of it, as tables, arrays and long texts have it. */
export function long(content: Buffer | string): Buffer {
	const bytes = Buffer.from(content as string);
	const length = Buffer.alloc(4);
	length.writeUInt32BE(bytes.length);
	return Buffer.concat([length, bytes]);
}

export function short(text: string): Buffer {
	return Buffer.concat([Buffer.of(Buffer.byteLength(text)), Buffer.from(text)]);
}

/** One entry of a table; `value` as it stands after its type. */
export function field(name: string, type: string, value: Buffer): Buffer {
	return Buffer.concat([short(name), Buffer.from(type), value]);
}

/** An entry whose value is a table with nothing but a table, and so on; or an array of arrays. */
export function nested(name: string, type: "F" | "A", levels: number): Buffer {
	const head = type === "F" ? Buffer.from("\0F") : Buffer.from("A");
	const bytes = head.length + 4;
	const inside = Buffer.alloc(bytes * (levels - 1));
	for (let at = 0; at < inside.length; at += bytes) {
		head.copy(inside, at);
		inside.writeUInt32BE(inside.length - at - bytes, at + head.length);
	}
	return field(name, type, long(inside));
}

export interface RawMessage {
	readonly body?: Buffer;
	readonly contentType?: string;
	/** The entries of the table. */
	readonly headers?: readonly Buffer[];
	readonly correlationId?: string;
	readonly replyTo?: string;
	readonly messageId?: string;
	readonly type?: string;
	readonly appId?: string;
}

export function headerFrame(channel: number, message: RawMessage): Buffer {
	const { body, contentType, headers, correlationId, replyTo, messageId, type, appId } = message;
	const texts = { 15: contentType, 10: correlationId, 9: replyTo, 7: messageId, 5: type, 3: appId };
	let flags = 0;
	const properties: [bit: number, bytes: Buffer][] = [];
	if (headers) properties.push([13, long(Buffer.concat(headers))]);
	for (const [bit, text] of Object.entries(texts)) if (text !== undefined) properties.push([Number(bit), short(text)]);
	for (const [bit] of properties) flags |= 1 << bit;
	const head = Buffer.alloc(14);
	head.writeUInt16BE(basicClass, 0);
	head.writeBigUInt64BE(BigInt(body?.length ?? 0), 4);
	head.writeUInt16BE(flags, 12);
	properties.sort(([a], [b]) => b - a);
	return frame(headerType, channel, Buffer.concat([head, ...properties.map(([, bytes]) => bytes)]));
}

/** Resolves when the queue has it. */
export async function publishRaw(url: string, queue: string, message: RawMessage): Promise<void> {
	const model = await connect(url);
	try {
		const channel = await model.createChannel();
		const { ch: number } = channel as unknown as { readonly ch: number };
		const { stream } = model.connection as unknown as { readonly stream: { write(bytes: Buffer): void } };
		const method = Buffer.alloc(4);
		method.writeUInt32BE(basicPublish);
		const publish = Buffer.concat([method, Buffer.alloc(2), short(""), short(queue), Buffer.of(0)]);
		stream.write(frame(methodType, number, publish));
		stream.write(headerFrame(number, message));
		if (message.body?.length) stream.write(frame(bodyType, number, message.body));
		// The broker answers in order.
		await channel.checkQueue(queue);
	} finally {
		await model.close();
	}
}
