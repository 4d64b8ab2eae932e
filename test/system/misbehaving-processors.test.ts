// Processors that charge and do not say so, say so late, or say nonsense, under load: none doubled, none lost.
import { setTimeout as sleepMs } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Misbehaviour } from "../../src/processor/misbehaviour.ts";
import { isLong, lengthNote, report } from "./conditions.ts";
import { startLab } from "./lab.ts";
import { startLoad, tally } from "./load.ts";

const ratePerS = isLong ? 500 : 250;
const phaseMs = isLong ? 4_000 : 1_200;
const deadlineMinMs = 200;
const deadlineMaxMs = 600;

const phases: readonly Partial<Misbehaviour>[] = [
	{ mode: "charge_then_cut" },
	{ mode: "charge_then_cut", reset: true },
	{ mode: "cut_then_charge", delay: 300 },
	{ mode: "cut" },
	{ mode: "charge_after", delay: deadlineMaxMs + 400 },
	{ mode: "error_after_charge" },
	{ mode: "error_then_charge", delay: 300 },
	{ mode: "status", status: 502 },
	{ mode: "status", status: 200, body: "" },
	{ mode: "status", status: 422, body: "{}" },
	{ mode: "garbage" },
	{ mode: "garbage_body" },
	{ mode: "half_answer" },
	{ mode: "slow_answer", delay: 50 },
	{ mode: "huge_answer", bytes: 4 * 1024 * 1024 },
	{ mode: "garbage_body", on: "read" },
	{ mode: "status", status: 404, body: "", on: "read" },
	{ mode: "garbage", on: "health" },
];

const settings = {
	CHARGE_DEADLINE_MIN_MS: String(deadlineMinMs),
	CHARGE_DEADLINE_MAX_MS: String(deadlineMaxMs),
	DOUBT_PAUSE_MAX_MS: "2000",
};

test(`every kind of answer that says nothing, ${ratePerS} payments/s (${lengthNote}): no payment crosses over, none is doubled, none is lost`, {
	timeout: 300_000,
}, async () => {
	const lab = await startLab({ settings });
	const load = startLoad(lab.relay.url, ratePerS);
	await load.firstAcknowledged(performance.now());
	for (const [n, phase] of phases.entries()) {
		const [one, other] = n % 3 === 2 ? [lab.fallback, lab.default] : [lab.default, lab.fallback];
		await one.misbehave({ probability: phase.mode === "huge_answer" ? 0.1 : 0.6, ...phase });
		// Most is charged at the default one: where the other misbehaves, the default has to fail for it to be asked.
		await lab.default.fail(one === lab.fallback);
		await sleepMs(phaseMs);
		await Promise.all([one.heal(), other.heal()]);
	}
	const posted = await load.stop();
	const healedMs = performance.now();
	const figures = await lab.drained();
	const drainedMs = Math.round(performance.now() - healedMs);
	const { findings, acknowledged, charged } = await lab.audit(posted);
	const misbehaved = await Promise.all(lab.processors.map(async (one) => (await one.figures()).misbehaved));
	report(`${tally(posted)}; charged ${charged.default} + ${charged.fallback}; drained ${drainedMs} ms after the last`);
	report(
		`misbehaved ${misbehaved.join(" + ")} ×; ${figures.retries} of ${figures.attempts} attempts were repeated ones`,
	);
	expect(findings).toEqual([]);
	expect(figures.settlesRefused).toBe(0n);
	expect(acknowledged).toBeGreaterThan(posted.length * 0.9);
	// Of each processor the test has seen the bad side.
	expect(Math.min(...misbehaved)).toBeGreaterThan(50);
});

test("a processor that charges after the time-out while it fails and recovers keeps its payments", {
	timeout: 120_000,
}, async () => {
	const lab = await startLab({ settings });
	await Promise.all([lab.default.delay(deadlineMaxMs + 300), lab.fallback.fail(true)]);
	const load = startLoad(lab.relay.url, 200);
	for (let flips = 0; flips < (isLong ? 20 : 6); flips++) {
		await lab.default.fail(flips % 2 === 0);
		await lab.fallback.fail(flips % 4 < 2);
		await sleepMs(700);
	}
	const posted = await load.stop();
	await Promise.all(lab.processors.map((one) => one.heal()));
	const figures = await lab.drained();
	const { findings, charged } = await lab.audit(posted);
	report(
		`${tally(posted)}; charged ${charged.default} + ${charged.fallback}; ${figures.retries} of ${figures.attempts} attempts repeated`,
	);
	expect(findings).toEqual([]);
	expect(figures.settlesRefused).toBe(0n);
});
