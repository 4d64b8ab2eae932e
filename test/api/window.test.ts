// Which bounds a window has, and which texts are none.
import { expect, test } from "vitest";
import { parseWindow } from "../../src/api/window.ts";

const at = "2026-01-31T12:00:00.000001Z";
const us = Date.UTC(2026, 0, 31, 12) * 1000 + 1;

test("an absent or empty bound is open, and a window may be of one microsecond", () => {
	expect(parseWindow([], [""])).toEqual({});
	expect(parseWindow([at], [at])).toEqual({ fromUs: us, toUs: us });
});

test("a bound that is said twice is refused, also where one of the two is empty", () => {
	for (const twice of [
		["", ""],
		["", at],
		[at, ""],
		[at, at],
	]) {
		expect(parseWindow(twice, [])).toMatchObject({ kind: "invalid-query", errors: [{ parameter: "from" }] });
		expect(parseWindow([], twice)).toMatchObject({ kind: "invalid-query", errors: [{ parameter: "to" }] });
	}
});
