// A payment's id: one form everywhere, and sixteen bytes in the store.
import fc from "fast-check";
import { expect, test } from "vitest";
import { parsePaymentId, paymentIdFromBytes, paymentIdToBytes } from "../../src/payment/payment.ts";

test("an id in any case is the same payment", () => {
	fc.assert(
		fc.property(fc.uuid(), (id) => {
			expect(parsePaymentId(id)).toBe(id);
			expect(parsePaymentId(id.toUpperCase())).toBe(id);
			expect(paymentIdToBytes(id.toUpperCase())).toEqual(paymentIdToBytes(id));
		}),
	);
});

test("an id comes back from its bytes as it went in", () => {
	fc.assert(
		fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
			const id = paymentIdFromBytes(bytes);
			expect(parsePaymentId(id)).toBe(id);
			expect(paymentIdToBytes(id)).toEqual(bytes);
		}),
	);
});

test("what is no UUID is refused", () => {
	const id = "0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5e";
	for (const text of [
		"",
		` ${id}`,
		`${id}\n`,
		`{${id}}`,
		id.replaceAll("-", ""),
		id.slice(1),
		`${id}0`,
		id.replace("b", "g"),
	])
		expect(parsePaymentId(text), JSON.stringify(text)).toBeUndefined();
});
