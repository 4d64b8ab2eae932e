import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { rawAccepted } from "../../src/api/raw-answer.ts";

beforeEach(() => {
	vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
});
afterEach(() => {
	vi.useRealTimers();
});

const dateOf = (answer: string): string => /Date: (.*)\r\n/.exec(answer)![1]!;

test("an answer that is kept for a second says the date of its own second", () => {
	const first = rawAccepted(5);
	expect(dateOf(first)).toBe("Thu, 01 Jan 2026 00:00:00 GMT");
	vi.setSystemTime(Date.UTC(2026, 0, 1, 0, 0, 0, 999));
	expect(rawAccepted(5)).toBe(first);
	vi.setSystemTime(Date.UTC(2026, 0, 1, 0, 0, 1));
	expect(dateOf(rawAccepted(5))).toBe("Thu, 01 Jan 2026 00:00:01 GMT");
});

test("what it says of its connection is what it is asked for, within one second", () => {
	expect(rawAccepted(5)).toContain("Keep-Alive: timeout=5\r\n");
	expect(rawAccepted(undefined)).toContain("Connection: close\r\n");
	expect(rawAccepted(7)).toContain("Keep-Alive: timeout=7\r\n");
});
