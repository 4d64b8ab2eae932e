// The one message of the choreography: `sku_processed`. It holds nothing but the SKU's id; whoever wants more asks for it.

export interface SkuProcessed {
	/** The message's id: two messages with the same id tell of the same event. */
	readonly id: string;
	readonly sku: string;
}

export const eventType = "sku_processed";
export const eventContentType = "application/json";

/** The message is no such event; its text says why. */
export class InvalidEvent extends Error {
	override readonly name = "InvalidEvent";
}

const bodyMaxBytes = 1024;

export function encodeEvent({ sku }: SkuProcessed): Uint8Array {
	return new TextEncoder().encode(JSON.stringify({ sku }));
}

/** Throws InvalidEvent. */
export function decodeEvent(id: unknown, body: Uint8Array): SkuProcessed {
	if (typeof id !== "string" || id === "") throw new InvalidEvent("the message has no id");
	if (body.length > bodyMaxBytes) throw new InvalidEvent(`the message has more than ${bodyMaxBytes} bytes`);
	const sku = parse(body)?.sku;
	if (typeof sku !== "string" || sku === "") throw new InvalidEvent("the message names no SKU");
	return { id, sku };
}

function parse(body: Uint8Array): { readonly sku?: unknown } | undefined {
	try {
		return JSON.parse(new TextDecoder().decode(body)) as { readonly sku?: unknown } | undefined;
	} catch (cause) {
		throw new InvalidEvent("the message is not JSON", { cause });
	}
}
