// The carrier's messages: how a call, its answer and the frames of a stream are written as AMQP messages, and read back.
//
// A request goes to its service's queue. Everything else goes to a mailbox: the answer to a unary call; `accept`, which names
// the mailbox of whoever serves a call; then, for a stream, in each direction numbered frames (`head` with status and
// headers, `data`, `end` with trailers), and beside the numbering `credit`, `cancel` and `ping`.
import type { MessageProperties, Options } from "amqplib";
import { headersAreWhole } from "../../amqp/header-frame.ts";
import type { AmqpRpcBounds } from "./bounds.ts";

const numbered = ["head", "data", "end"] as const;
const beside = ["answer", "accept", "credit", "cancel", "ping"] as const;
const kinds: ReadonlySet<string> = new Set([...numbered, ...beside]);

/** AMQP 0-9-1, section 4.2.5.3: short strings. */
const shortTextMaxBytes = 255;

export type FrameKind = (typeof numbered)[number] | (typeof beside)[number];

export interface Frame {
	readonly kind: FrameKind;
	/** The call, by its caller's name for it. */
	readonly call: string;
	readonly body?: Uint8Array;
	/** Of `head`, `data` and `end`: the place in its direction of the stream, from 0. */
	readonly sequence?: number;
	/** Of `answer` and `head`. */
	readonly status?: number;
	readonly header?: Headers;
	/** Of `answer` and `end`. */
	readonly trailer?: Headers;
	/** Of `credit`: bytes that were read. */
	readonly bytes?: number;
}

export interface ReceivedFrame extends Frame {
	/** The mailbox of whoever sent it. */
	readonly from: string | undefined;
	readonly body: Uint8Array;
}

export interface Request {
	/** `/package.Service/Method`. */
	readonly path: string;
	readonly call: string;
	readonly replyTo: string;
	/** Names the effect: the caller, and its name for what it asks, the same when it asks again. */
	readonly caller: string;
	readonly requestId: string;
	readonly header: Headers;
	readonly body: Uint8Array;
	/** When the caller stops waiting, ms since the Unix epoch. */
	readonly deadlineMs?: number;
}

const undecodable = "headers that cannot be decoded";

export class UnreadableMessage extends Error {
	override readonly name = "UnreadableMessage";
}

export function frameProperties(frame: Frame, from: string | undefined): Options.Publish {
	return {
		type: frame.kind,
		correlationId: frame.call,
		...(from !== undefined && { replyTo: from }),
		contentType: "application/octet-stream",
		headers: {
			...(frame.sequence !== undefined && { sequence: frame.sequence }),
			...(frame.status !== undefined && { status: frame.status }),
			...(frame.bytes !== undefined && { bytes: frame.bytes }),
			...(frame.header && { header: toTable(frame.header) }),
			...(frame.trailer && { trailer: toTable(frame.trailer) }),
		},
	};
}

export function readFrame(properties: MessageProperties, body: Uint8Array, bounds: AmqpRpcBounds): ReceivedFrame {
	const { type, correlationId, replyTo, headers = {} } = properties;
	if (!kinds.has(type)) throw new UnreadableMessage("no frame of the carrier");
	if (!isName(correlationId)) throw new UnreadableMessage("no correlation id");
	if (!headersAreWhole(properties)) throw new UnreadableMessage(undecodable);
	const { sequence, status, bytes, header, trailer } = headers as Record<string, unknown>;
	const isNumbered = (numbered as readonly string[]).includes(type);
	if (isNumbered && !isCount(sequence)) throw new UnreadableMessage(`no sequence number in ${type}`);
	const kind = type as FrameKind;
	if ((kind === "answer" || kind === "head") && !isCount(status)) throw new UnreadableMessage(`no status in ${type}`);
	if (kind === "credit" && !isCount(bytes)) throw new UnreadableMessage("no bytes in credit");
	return {
		kind,
		call: correlationId,
		from: typeof replyTo === "string" ? replyTo : undefined,
		body,
		...(isCount(sequence) && { sequence }),
		...(isCount(status) && { status }),
		...(isCount(bytes) && { bytes }),
		...(header !== undefined && { header: fromTable(header, bounds) }),
		...(trailer !== undefined && { trailer: fromTable(trailer, bounds) }),
	};
}

/** `remainingMs`: the broker drops the request when it has waited so long. */
export function requestProperties(request: Request, remainingMs: number | undefined): Options.Publish {
	return {
		type: "request",
		correlationId: request.call,
		replyTo: request.replyTo,
		appId: request.caller,
		contentType: request.header.get("content-type") ?? "application/octet-stream",
		persistent: true,
		timestamp: Math.floor(Date.now() / 1000),
		...(remainingMs !== undefined && { expiration: String(Math.max(1, Math.ceil(remainingMs))) }),
		headers: {
			path: request.path,
			requestId: request.requestId,
			header: toTable(request.header),
			// As text: numbers beyond 2^53 aside, brokers and clients differ in which integers they keep.
			...(request.deadlineMs !== undefined && { deadline: String(Math.ceil(request.deadlineMs)) }),
		},
	};
}

/** Throws an UnreadableMessage; what can be known of where an answer should go is in `readReturnAddress`. */
export function readRequest(properties: MessageProperties, body: Uint8Array, bounds: AmqpRpcBounds): Request {
	const { type, appId, headers = {} } = properties;
	const { path, requestId, header = {}, deadline } = headers as Record<string, unknown>;
	const address = readReturnAddress(properties);
	if (type !== "request") throw new UnreadableMessage("no request of the carrier");
	if (address === undefined) throw new UnreadableMessage("no reply_to or no correlation id");
	if (!headersAreWhole(properties)) throw new UnreadableMessage(undecodable);
	if (typeof path !== "string" || !path.startsWith("/")) throw new UnreadableMessage("no path");
	if (typeof appId !== "string" || typeof requestId !== "string")
		throw new UnreadableMessage("no caller or request id");
	if (deadline !== undefined && !(typeof deadline === "string" && /^\d{1,15}$/.test(deadline)))
		throw new UnreadableMessage("no deadline in ms");
	return {
		path,
		...address,
		caller: appId,
		requestId,
		header: fromTable(header, bounds),
		body,
		...(deadline !== undefined && { deadlineMs: Number(deadline) }),
	};
}

export function readReturnAddress({
	correlationId,
	replyTo,
}: MessageProperties): Pick<Request, "call" | "replyTo"> | undefined {
	if (!isName(correlationId) || typeof replyTo !== "string") return undefined;
	return { call: correlationId, replyTo };
}

/** Bytes that are no UTF-8 grow when they are read as text, and then cannot be sent back. */
function isName(value: unknown): value is string {
	return typeof value === "string" && value !== "" && Buffer.byteLength(value) <= shortTextMaxBytes;
}

function isCount(value: unknown): value is number {
	return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isTextPair(pair: [string, unknown]): pair is [string, string] {
	return typeof pair[1] === "string";
}

/** Whether the other side will take them. */
export function headersFit(headers: Iterable<[string, string]>, bounds: AmqpRpcBounds): boolean {
	let pairs = 0;
	let bytes = 0;
	for (const [name, value] of headers) {
		pairs++;
		bytes += name.length + value.length;
	}
	return pairs <= bounds.headerPairsMax && bytes <= bounds.headerBytesMax;
}

function toTable(headers: Headers): Record<string, string> {
	return Object.fromEntries(headers);
}

function fromTable(table: unknown, bounds: AmqpRpcBounds): Headers {
	if (typeof table !== "object" || table === null || Array.isArray(table))
		throw new UnreadableMessage("no table of headers");
	const pairs = Object.entries(table);
	if (!pairs.every(isTextPair)) throw new UnreadableMessage("a header that is no text");
	if (!headersFit(pairs, bounds)) throw new UnreadableMessage("too many headers, or too many bytes of them");
	const headers = new Headers();
	for (const [name, value] of pairs) {
		try {
			headers.append(name, value);
		} catch {
			throw new UnreadableMessage("a header that has no such name or value");
		}
	}
	return headers;
}
