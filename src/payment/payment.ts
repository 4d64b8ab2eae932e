// What a payment is: its id, its amount, and the processor that charges it.

/** The two processors. Which one is cheaper is told by their fees, which are settings, not by these names. */
export type Processor = "default" | "fallback";

export const processors: readonly Processor[] = ["default", "fallback"];

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * A payment's id in the form that every part of the relay uses: a UUID of any version, in lower case, because the
 * processors' own key ignores case. `undefined` where the text is not a UUID.
 */
export function parsePaymentId(text: string): string | undefined {
	return uuid.test(text) ? text.toLowerCase() : undefined;
}

/** 16 bytes for a payment's id: how stores keep it. */
export function paymentIdToBytes(id: string): Uint8Array {
	const bytes = new Uint8Array(16);
	let at = 0;
	for (let i = 0; i < 16; i++) {
		if (id.charCodeAt(at) === 45) at++;
		bytes[i] = (nibble(id.charCodeAt(at)) << 4) | nibble(id.charCodeAt(at + 1));
		at += 2;
	}
	return bytes;
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** The inverse of {@link paymentIdToBytes}. */
export function paymentIdFromBytes(bytes: Uint8Array): string {
	let id = "";
	for (let i = 0; i < 16; i++) {
		if (i === 4 || i === 6 || i === 8 || i === 10) id += "-";
		id += hex[bytes[i] as number];
	}
	return id;
}

function nibble(code: number): number {
	return code < 58 ? code - 48 : (code | 32) - 87;
}
