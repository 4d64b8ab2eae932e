// A simulated processor's fee: exact, however large the total.
import { expect, test } from "vitest";
import { createFeeRate } from "../../src/processor/fee.ts";

test.each([
	["0.05", 1990n, "0.9950"],
	["0.15", 1n, "0.0015"],
	["0", 1990n, "0.00"],
	["1", 123n, "1.23"],
	["0.05", 10n ** 30n, `5${"0".repeat(26)}.0000`],
])("a rate of %s on %s cents is %s", (rate, cents, fee) => {
	expect(createFeeRate(rate).of(cents)).toBe(fee);
	expect(createFeeRate(rate).text).toBe(rate);
});

test.each(["", "5%", "-0.05", ".05", "05", "1e-2", "NaN"])("a rate of '%s' is refused by its text", (rate) => {
	expect(() => createFeeRate(rate)).toThrow(`not "${rate}"`);
});
