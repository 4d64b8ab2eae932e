// Moments: microseconds from ISO-8601 text and back, and a refusal of every text that names no moment.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatInstant, instantMaxUs, parseInstant } from "../../src/payment/instant.ts";

const moments = fc.nat({ max: instantMaxUs });

describe("a moment", () => {
	test("is read back as written, to the microsecond", () => {
		fc.assert(
			fc.property(moments, (us) => {
				expect(parseInstant(formatInstant(us))).toBe(us);
			}),
		);
	});

	test("means the same without a zone as in UTC, and the same in every zone", () => {
		const offsets = fc.integer({ min: -23 * 60 - 59, max: 23 * 60 + 59 });
		const days = fc.integer({ min: 1, max: 80_000 });
		fc.assert(
			fc.property(moments, days, offsets, (time, day, minutes) => {
				const us = day * 86_400_000_000 + (time % 86_400_000_000);
				const text = formatInstant(us + minutes * 60_000_000).slice(0, -1);
				const [hour, minute] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
				const two = (value: number): string => String(value).padStart(2, "0");
				const sign = minutes < 0 ? "-" : "+";
				expect(parseInstant(`${text}${sign}${two(hour)}:${two(minute)}`)).toBe(us);
				expect(parseInstant(`${text}${sign}${two(hour)}${two(minute)}`)).toBe(us);
				expect(parseInstant(text)).toBe(us + minutes * 60_000_000);
			}),
		);
	});

	test("may have a zone of whole hours only, as PostgreSQL writes it", () => {
		const noonUs = Date.UTC(2026, 0, 1, 12) * 1000;
		expect(parseInstant("2026-01-01 12:00:00.000007+00")).toBe(noonUs + 7);
		expect(parseInstant("2026-01-01 07:00:00.000007-05")).toBe(noonUs + 7);
		expect(parseInstant("2026-01-01T12:00:00+24")).toBeUndefined();
		expect(parseInstant("2026-01-01T12:00:00+5")).toBeUndefined();
		expect(parseInstant("2026-01-01T12:00:00+05:")).toBeUndefined();
	});

	test("finer than a microsecond is cut, or rounded up as a lower bound", () => {
		const nanos = fc.integer({ min: 0, max: 999_999_999 });
		fc.assert(
			fc.property(nanos, (nano) => {
				const text = `2026-01-01T00:00:00.${String(nano).padStart(9, "0")}Z`;
				const start = Date.UTC(2026, 0, 1) * 1000;
				expect(parseInstant(text)).toBe(start + Math.floor(nano / 1000));
				expect(parseInstant(text, "up")).toBe(start + Math.ceil(nano / 1000));
			}),
		);
	});

	test("beyond what a double holds is folded onto the last one", () => {
		expect(parseInstant("9999-12-31T23:59:59.999999Z")).toBe(instantMaxUs);
	});

	test.each([
		"",
		"now",
		"2026-01-01",
		"2026-1-1T00:00:00Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z",
		"2026-01-01T00:00:60Z",
		"2026-01-01T00:00:00.Z",
		"2026-01-01T00:00:00.1234567890Z",
		"2026-01-01T00:00:00+24:00",
		"2026-01-01T00:00:00+00:60",
		"2026-01-01T00:00:00Z ",
		"1969-12-31T23:59:59Z",
		"0099-01-01T00:00:00Z",
		"+02026-01-01T00:00:00Z",
	])("%j is none", (text) => expect(parseInstant(text)).toBeUndefined());
});
