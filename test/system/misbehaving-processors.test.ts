// Processors that charge and do not say so, say so late, or say nonsense, under load: none doubled, none lost.
import { setTimeout as sleepMs } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Misbehaviour } from "../../src/processor/misbehaviour.ts";
import { isLong, lengthNote, report } from "./conditions.ts";
import { startLab } from "./lab.ts";
import { startLoad, tally } from "./load.ts";

const ratePerS = isLong ? 500 : 250;
const phaseMs = isLong ? 4_000 : 900;
/** Often enough to keep away from a processor now and then, and seldom enough to come back to it soon. */
const often = 0.5;
/** Of what nothing comes but another POST: those are bounded to a tenth of all, and would be what the test waits for. */
const seldom = 0.15;
const deadlineMinMs = 200;
const deadlineMaxMs = 600;

const phases: readonly Partial<Misbehaviour>[] = [
	{ mode: "charge_then_cut" },
	{ mode: "charge_then_cut", reset: true },
	{ mode: "cut_then_charge", delay: 300 },
	{ mode: "cut", probability: seldom },
	{ mode: "charge_after", delay: deadlineMaxMs + 400 },
	{ mode: "error_after_charge" },
	{ mode: "error_then_charge", delay: 300 },
	{ mode: "status", status: 502, probability: seldom },
	{ mode: "status", status: 200, body: "", probability: seldom },
	{ mode: "status", status: 422, body: "{}", probability: seldom },
	{ mode: "garbage" },
	{ mode: "garbage_body" },
	{ mode: "half_answer" },
	{ mode: "slow_answer", delay: 50 },
	{ mode: "huge_answer", bytes: 4 * 1024 * 1024, probability: 0.1 },
	{ mode: "garbage_body", on: "read" },
	{ mode: "status", status: 404, body: "", on: "read" },
	{ mode: "garbage", on: "health" },
];

const settings = {
	CHARGE_DEADLINE_MIN_MS: String(deadlineMinMs),
	CHARGE_DEADLINE_MAX_MS: String(deadlineMaxMs),
	DOUBT_PAUSE_MAX_MS: "2000",
	// Eager to go to the other processor: what must not cross over is tempted to.
	PATIENCE_MS: "200",
};

test(`every kind of answer that says nothing, ${ratePerS} payments/s (${lengthNote}): no payment crosses over, none is doubled, none is lost`, {
	timeout: 300_000,
}, async () => {
	const lab = await startLab({ settings });
	const load = startLoad(lab.relay.url, ratePerS);
	await load.firstAcknowledged(performance.now());
	for (const phase of phases) {
		await lab.default.misbehave({ probability: often, ...phase });
		await sleepMs(phaseMs);
	}
	await lab.default.misbehave({ mode: "none" });
	for (const phase of phases.filter(({ on }) => on === undefined)) {
		// The default one comes and goes, so that there is always somewhere to cross over to.
		await Promise.all([lab.fallback.misbehave({ probability: often, ...phase }), lab.default.fail(true)]);
		await sleepMs(phaseMs / 2);
		await lab.default.fail(false);
		await sleepMs(phaseMs / 4);
	}
	await Promise.all(lab.processors.map((one) => one.heal()));
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

test("a charge that lands after its time-out, and after a later attempt's proof, keeps its payment where it is", {
	timeout: 120_000,
}, async () => {
	const lab = await startLab({ settings });
	const slowMs = deadlineMaxMs + 900;
	const load = startLoad(lab.relay.url, 60);
	for (let round = 0; round < (isLong ? 12 : 4); round++) {
		// What is sent now times out, and charges `slowMs` later all the same.
		await Promise.all([lab.default.delay(slowMs), lab.default.fail(false)]);
		await sleepMs(deadlineMaxMs + 100);
		// What is repeated now is answered at once that it was not charged, which says nothing of the first attempt.
		await Promise.all([lab.default.delay(0), lab.default.fail(true)]);
		await sleepMs(600);
		await lab.default.fail(false);
		await sleepMs(1_000);
	}
	const posted = await load.stop();
	await Promise.all(lab.processors.map((one) => one.heal()));
	const figures = await lab.drained();
	const { findings, charged } = await lab.audit(posted);
	report(
		`${tally(posted)}; charged ${charged.default} + ${charged.fallback}; ` +
			`${figures.retries} of ${figures.attempts} attempts repeated`,
	);
	expect(findings).toEqual([]);
	expect(figures.settlesRefused).toBe(0n);
	// Some were repeated while their first attempt was still to charge, or the test has not seen what it is about.
	expect(Number(figures.retries)).toBeGreaterThan(5);
});
