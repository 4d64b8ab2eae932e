// A cheaper processor that stays slow under more load than it bears: the dearer one takes what it cannot.
import { setTimeout as sleepMs } from "node:timers/promises";
import { expect, test } from "vitest";
import { isLong, lengthNote, report } from "./conditions.ts";
import { startLab } from "./lab.ts";
import { startLoad, tally } from "./load.ts";

const ratePerS = 100;
const loadMs = isLong ? 60_000 : 12_000;
const delayMs = 1_000;
const inFlightMax = 20;

test(`${ratePerS} payments/s at a cheaper processor that charges ${inFlightMax} a second (${lengthNote}): what it cannot take is charged at the other`, {
	timeout: 180_000,
}, async () => {
	// No more workers than charges may be open at one processor, so that a slow one has them all.
	const settings = { IN_FLIGHT_MAX: String(inFlightMax), WORKERS: String(inFlightMax), PATIENCE_MS: "3000" };
	const lab = await startLab({ settings });
	await lab.default.delay(delayMs);
	const load = startLoad(lab.relay.url, ratePerS);
	await sleepMs(loadMs);
	const posted = await load.stop();
	await lab.drained();
	const { findings, charged } = await lab.audit(posted);
	report(`${tally(posted)}; charged ${charged.default} + ${charged.fallback}`);
	expect(findings).toEqual([]);
	expect(charged.fallback, "more than the cheaper one").toBeGreaterThan(charged.default);
	expect(charged.default, "which was used as well").toBeGreaterThan(inFlightMax);
});
