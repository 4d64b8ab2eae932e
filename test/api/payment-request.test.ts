// The body of a payment: the plain form and every other spelling of it come to the same payment, or to the same refusal.
import fc from "fast-check";
import { expect, test } from "vitest";
import { parsePaymentRequest } from "../../src/api/payment-request.ts";

const id = "0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5e";

/** No longer plain, and the same to JSON. */
const spelledOtherwise = (body: string): string => ` ${body}`;

test("a plain body and any other spelling of it come to the same payment", () => {
	const amount = fc.oneof(
		fc.integer({ min: 0, max: 999_999_999_999 }).map((cents) => (cents / 100).toFixed(2)),
		fc.integer({ min: 0, max: 9_999_999_999 }).map(String),
		fc.stringMatching(/^-?\d{1,11}(\.\d{0,3})?$/),
		fc.constantFrom("0", "0.0", "0.00", "00", "01", "1.", ".5", "1e2", "19.9", "19.90", "19.900", '"19.90"', "null"),
	);
	const correlationId = fc.oneof(
		fc.uuid(),
		fc.uuid().map((upper) => upper.toUpperCase()),
		fc.string(),
		fc.constant(""),
	);
	const gap = fc.constantFrom("", " ", "\t");
	fc.assert(
		fc.property(correlationId, amount, gap, gap, (first, second, one, two) => {
			const body = `{"correlationId":${one}${JSON.stringify(first)},${two}"amount":${two}${second}}`;
			expect(parsePaymentRequest(body)).toEqual(parsePaymentRequest(spelledOtherwise(body)));
		}),
		{ numRuns: 2_000 },
	);
});

test("amounts count to the cent, from the smallest to the largest", () => {
	for (const [text, cents] of [
		["0.01", 1n],
		["0.1", 10n],
		["1", 100n],
		["19.9", 1990n],
		["19.90", 1990n],
		["999999999.99", 99_999_999_999n],
	] as const)
		expect(parsePaymentRequest(`{"correlationId":"${id}","amount":${text}}`)).toEqual({ id, amountCents: cents });
});

test.each(["0", "0.00", "1000000000", "0.001", "-1", "01"])("an amount of %s is refused", (text) => {
	const body = `{"correlationId":"${id}","amount":${text}}`;
	expect(parsePaymentRequest(body)).toHaveProperty("kind");
});

test("a member that comes twice, or one more, is read as JSON reads it", () => {
	const more = `{"correlationId":"${id}","amount":1,"amount":2}`;
	expect(parsePaymentRequest(more)).toEqual({ id, amountCents: 200n });
	expect(parsePaymentRequest(`{"correlationId":"${id}","amount":1}}`)).toHaveProperty("kind");
});
