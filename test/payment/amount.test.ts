// Amounts: the digits of the text are what counts, in both directions, however many there are.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { amountMaxCents, amountMinCents, formatCents, parseAmount, parseCents } from "../../src/payment/amount.ts";

const cents = (max: bigint): fc.Arbitrary<bigint> => fc.bigInt({ min: 0n, max });

describe("an amount", () => {
	test("is read back as written, up to totals of 10³⁰", () => {
		fc.assert(
			fc.property(cents(10n ** 32n), (value) => {
				expect(parseCents(formatCents(value))).toBe(value);
			}),
		);
	});

	test("counts by its value, not by its spelling", () => {
		const payments = fc.bigInt({ min: amountMinCents, max: amountMaxCents });
		fc.assert(
			fc.property(payments, fc.nat(9), fc.integer({ min: -9, max: 9 }), (value, zeros, exponent) => {
				const decimal = formatCents(value);
				expect(parseAmount(decimal + "0".repeat(zeros))).toBe(value);
				expect(parseAmount(shift(decimal, exponent))).toBe(value);
			}),
		);
	});

	test("with a third decimal other than zero is refused", () => {
		fc.assert(
			fc.property(cents(amountMaxCents), fc.nat(20), fc.integer({ min: 1, max: 9 }), (value, zeros, digit) => {
				expect(parseAmount(`${formatCents(value)}${"0".repeat(zeros)}${digit}`)).toBeUndefined();
			}),
		);
	});

	test("outside its range is refused", () => {
		expect(parseAmount("0.01")).toBe(amountMinCents);
		expect(parseAmount("999999999.99")).toBe(amountMaxCents);
		for (const text of ["0", "0.00", "-0", "-0.01", "1000000000", "1e9", "1e400", "1e-400", "1e99999999999999999999"])
			expect(parseAmount(text), text).toBeUndefined();
	});

	test("that is no JSON number is refused, whatever it is", () => {
		for (const text of ["", " 1", "1 ", "+1", "01", "1.", ".1", "1,5", "0x1", "NaN", "Infinity", "1e", "１", "1\n"])
			expect(parseCents(text), JSON.stringify(text)).toBeUndefined();
		fc.assert(
			fc.property(fc.string(), (text) => {
				if (parseCents(text) !== undefined) expect(() => JSON.parse(text)).not.toThrow();
			}),
		);
	});

	test("as long as an amount may be written is taken, and refused beyond", () => {
		expect(parseAmount(`1.${"0".repeat(62)}`)).toBe(100n);
		expect(parseAmount(`1.${"0".repeat(63)}`)).toBeUndefined();
	});

	test("below zero is none of what a total is", () => {
		for (const text of ["-1", "-0", "-0.01", "-1e2"]) expect(parseCents(text), text).toBeUndefined();
	});

	test("adds up exactly: 0.1 and 0.2 are 0.3", () => {
		expect(formatCents(parseCents("0.1")! + parseCents("0.2")!)).toBe("0.30");
		expect(formatCents(2n ** 53n + 1n)).toBe("90071992547409.93");
		expect(formatCents(-5n)).toBe("-0.05");
	});
});

/** The same value with its point moved and an exponent to make up for it. */
function shift(decimal: string, exponent: number): string {
	const [whole = "", fraction = ""] = decimal.split(".");
	const digits = `${"0".repeat(10)}${whole}${fraction}${"0".repeat(10)}`;
	const point = 10 + whole.length + exponent;
	return `${digits.slice(0, point).replace(/^0+(?=\d)/, "")}.${digits.slice(point)}e${-exponent}`;
}
