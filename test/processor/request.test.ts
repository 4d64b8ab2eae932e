// What a simulated processor makes of a payment's body.
import fc from "fast-check";
import { expect, test } from "vitest";
import { parsePaymentRequest } from "../../src/processor/request.ts";

const id = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const at = "2025-07-15T12:34:56.123456Z";
const centsOf = (amount: string) =>
	parsePaymentRequest(`{"correlationId":"${id}","amount":${amount},"requestedAt":"${at}"}`)?.cents;

test.each([
	["19.90", 1990],
	["19.900", 1990],
	["1.99e1", 1990],
	["0.125", 12],
	["0.135", 14],
	["0.12500000000000000000000001", 13],
	["0.12499999999999999999999999", 12],
	["77.8299999999999982946974341757595039577293395996", 7783],
	["999999999.99", 99_999_999_999],
	["90071992547409.91", Number.MAX_SAFE_INTEGER],
	["90071992547409.92", undefined],
	["1e400", undefined],
])("an amount of %s is stored as %s cents, rounded half-even by its own digits", (amount, cents) => {
	expect(centsOf(amount)).toBe(cents);
});

test("every amount in cents is stored as it is", () => {
	fc.assert(
		fc.property(fc.integer({ min: 1, max: 99_999_999_999 }), (cents) => {
			const digits = String(cents).padStart(3, "0");
			expect(centsOf(`${digits.slice(0, -2)}.${digits.slice(-2)}`)).toBe(cents);
		}),
	);
});

test("every half cent goes to the even side", () => {
	fc.assert(
		fc.property(fc.nat(10 ** 9), (cents) => {
			const digits = String(cents).padStart(3, "0");
			expect(centsOf(`${digits.slice(0, -2)}.${digits.slice(-2)}5`)).toBe(cents % 2 === 0 ? cents : cents + 1);
		}),
	);
});

test("the amount that counts is the payment's own, not one of the same name further in", () => {
	const body = `{"x":{"amount":5.555},"correlationId":"${id}","amount":0.125,"y":[{"amount":7.777}],"requestedAt":"${at}"}`;
	expect(parsePaymentRequest(body)?.cents).toBe(12);
});

test("ids come in lower case, times in microseconds", () => {
	const body = JSON.stringify({ correlationId: id.toUpperCase(), amount: 1, requestedAt: at });
	expect(parsePaymentRequest(body)).toEqual({
		correlationId: id,
		cents: 100,
		requestedAtUs: Date.UTC(2025, 6, 15, 12, 34, 56, 123) * 1000 + 456,
	});
});

test.each([
	["nothing", ""],
	["no JSON", "{"],
	["null", "null"],
	["no amount", `{"correlationId":"${id}","requestedAt":"${at}"}`],
	["an amount as text", `{"correlationId":"${id}","amount":"1","requestedAt":"${at}"}`],
	["no requestedAt", `{"correlationId":"${id}","amount":1}`],
	["no such day", `{"correlationId":"${id}","amount":1,"requestedAt":"2025-02-30T00:00:00Z"}`],
	["no UUID", `{"correlationId":"4a7901b8","amount":1,"requestedAt":"${at}"}`],
])("%s is no payment", (_, body) => {
	expect(parsePaymentRequest(body)).toBeUndefined();
});
