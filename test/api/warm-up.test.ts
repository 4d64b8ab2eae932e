// The warm-up posts payments the whole way to a cache of its own, and leaves nothing behind.
import { expect, test } from "vitest";
import { warmUp } from "../../src/api/warm-up.ts";
import { systemClock } from "../../src/clock.ts";

test("every payment of the warm-up is accepted, and nothing keeps the process busy afterwards", async () => {
	expect(await warmUp(systemClock, { ms: 60_000, payments: 50 })).toBe(50);
});

test("a warm-up without time ends at once", async () => {
	expect(await warmUp(systemClock, { ms: 0, payments: 50 })).toBe(0);
});
