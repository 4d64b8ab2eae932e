// A message as it is handed to the broker and taken from it, and why a publication failed.
import type { ConsumeMessage, Options } from "amqplib";

/** Content and properties by the standard's names; see AMQP 0-9-1, class basic. */
export interface Publication {
	/** Empty: the default exchange, which takes the routing key for a queue's name. */
	readonly exchange: string;
	readonly routingKey: string;
	readonly body: Uint8Array;
	/** Names the message among those of its channel that are not yet confirmed; a return is told apart by it. */
	readonly messageId: string;
	/** `headers` are to be small: together with the other properties they fit one frame. */
	readonly properties?: Omit<Options.Publish, "mandatory" | "messageId">;
}

/**
 * `unroutable`: no queue took it (it is always mandatory). `refused`: a queue is full, or could not keep it. `lost`: the channel
 * went before the confirm came, so a queue may hold it. `crowded`: too many wait to be published; it was not sent.
 * `unwritable`: its properties are too large, or no such values can be written; it was not sent. `closed`: this side has closed
 * the channel; it was not sent.
 */
export type PublishFailure = "unroutable" | "refused" | "lost" | "crowded" | "unwritable" | "closed";

export class PublishError extends Error {
	override readonly name = "PublishError";
	readonly failure: PublishFailure;

	constructor(failure: PublishFailure, message: string, options?: ErrorOptions) {
		super(message, options);
		this.failure = failure;
	}
}

/** A message that a queue has handed out. It must be acknowledged or rejected once. */
export interface Delivery {
	readonly message: ConsumeMessage;
	/** False where the channel has gone: the queue gives the message out again. */
	ack(): boolean;
	/** `requeue` false: to the queue's dead-letter exchange. Counts towards the delivery limit. False as with `ack`. */
	reject(requeue: boolean): boolean;
}

/** How many bytes properties take in a header frame at most; all but `headers` are short. */
export function propertiesBytes(properties: Publication["properties"] = {}): number {
	return fieldBytes(properties);
}

/** A name's length and type take two bytes, a text's or a table's length four, a number at most eight. */
function fieldBytes(value: unknown): number {
	if (typeof value === "string") return 4 + Buffer.byteLength(value);
	if (typeof value !== "object" || value === null) return 8;
	let bytes = 4;
	for (const [name, field] of Object.entries(value)) bytes += 2 + Buffer.byteLength(name) + fieldBytes(field);
	return bytes;
}
