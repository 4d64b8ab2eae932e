// A cheaper processor that is slow for long: what it cannot take goes to the dearer one, and nothing waits without end.
import { expect, test } from "vitest";
import { charged, computingMs, createRelay, ratePerS } from "./relay-lab.ts";

test.each([
	{ delayMs: 1_000, inFlightMax: 100, patienceMs: 5_000, slowS: 60 },
	{ delayMs: 3_000, inFlightMax: 512, patienceMs: 5_000, slowS: 60 },
	// More wait than a consumer has in hand.
	{ delayMs: 5_000, inFlightMax: 512, patienceMs: 55_000, slowS: 150 },
])(
	"300 payments/s for $slowS s at a cheaper processor that takes $inFlightMax at a time, $delayMs ms each: it charges what it can, the dearer one the rest",
	async ({ delayMs, inFlightMax, patienceMs, slowS }) => {
		const relay = createRelay(1, { inFlightMax, patienceMs });
		await relay.post(2);
		relay.world.chargeMs.default = delayMs;
		await relay.post(slowS);
		const { accepted, waiting } = await relay.figures();
		const capacityPerS = inFlightMax / (delayMs / 1000);
		const toCharge = accepted - 2 * ratePerS;
		// The patience's worth of its pace may wait for the cheaper one, and as much again until that is noticed.
		const mayWait = ((2 * patienceMs) / 1000) * capacityPerS;
		expect(waiting).toBeLessThan(mayWait);
		expect(relay.world.charged.fallback).toBeGreaterThan(0.9 * (toCharge - slowS * capacityPerS - mayWait));
		expect(relay.world.charged.default).toBeGreaterThan(0.9 * slowS * capacityPerS);
		const drainMaxS = (2 * patienceMs) / 1000;
		expect(await relay.drainedS(2 * drainMaxS)).toBeLessThanOrEqual(drainMaxS);
		await relay.close();
	},
	computingMs,
);

test(
	"a cheaper processor that keeps up, however slow within the patience, gets all of it",
	async () => {
		const relay = createRelay(1);
		relay.world.chargeMs.default = 1_500;
		await relay.post(30);
		await relay.drainedS(30);
		expect(relay.world.charged).toEqual({ default: 30 * ratePerS, fallback: 0 });
		await relay.close();
	},
	computingMs,
);

test(
	"two slow processors are both used as far as they go",
	async () => {
		const relay = createRelay(1, { inFlightMax: 100 });
		relay.world.chargeMs = { default: 1_000, fallback: 1_000 };
		await relay.post(60);
		const { accepted, waiting } = await relay.figures();
		expect(accepted).toBe(60 * ratePerS);
		expect(relay.world.charged.default).toBeGreaterThan(0.9 * 60 * 100);
		expect(relay.world.charged.fallback).toBeGreaterThan(0.8 * 50 * 100);
		expect(waiting).toBeGreaterThan(0);
		await relay.drainedS(120);
		await relay.close();
	},
	computingMs,
);

test(
	"one that is slow and turns some away as well does not let a queue grow beside an idle dearer one",
	async () => {
		const relay = createRelay(1, { patienceMs: 20_000 });
		relay.world.chargeMs.default = 1_000;
		relay.world.answer = (processor) =>
			processor === "default" && relay.random() < 0.1 ? { kind: "not_charged", why: "too_many" } : charged;
		await relay.post(120);
		const { waiting } = await relay.figures();
		expect(waiting).toBeLessThan(20 * ratePerS);
		expect(relay.world.charged.fallback).toBeGreaterThan(0.5 * 120 * ratePerS);
		await relay.drainedS(60);
		await relay.close();
	},
	computingMs,
);
