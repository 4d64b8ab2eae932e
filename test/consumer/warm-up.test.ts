// The warm-up charges payments the whole way at a processor of its own, and leaves nothing behind.
import { expect, test } from "vitest";
import { type Clock, systemClock } from "../../src/clock.ts";
import { consumerDefaults } from "../../src/consumer/settings.ts";
import { warmUp } from "../../src/consumer/warm-up.ts";

const fees = { default: 0.05, fallback: 0.15 };
const settings = { ...consumerDefaults, route: { ...consumerDefaults.route, fees } };

test("every payment of the warm-up is settled", async () => {
	expect(await warmUp(settings, systemClock, { ms: 60_000, payments: 50 })).toBe(50);
});

test("leases are renewed on the way, and none of its payments is lost with a stream that is cut", async () => {
	const hurried: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 100, signal) };
	expect(await warmUp(settings, hurried, { ms: 60_000, payments: 500 })).toBe(500);
});

test("a warm-up without time ends at once", async () => {
	expect(await warmUp(settings, systemClock, { ms: 0, payments: 1_000_000 })).toBeLessThan(1_000_000);
});
