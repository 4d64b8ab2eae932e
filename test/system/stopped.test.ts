// Processes that stand still past the lease and come back: a zombie worker breaks nothing, a slow cache loses nothing.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleepMs } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { isLong, lengthNote, report } from "./conditions.ts";
import { type Lab, startLab } from "./lab.ts";
import { startLoad, tally } from "./load.ts";
import { signal } from "./processes.ts";
import { mainModule, projectRoot, runtimeCommand } from "./relay.ts";
import { until } from "./until.ts";

const ratePerS = 500;
const leaseMs = 1_500;
const rounds = isLong ? 6 : 2;
const settings = { LEASE_MS: String(leaseMs), RECLAIM_MS: "500" };

test(`the consumer stopped past its lease at ${ratePerS} payments/s while another takes over, ${rounds} times (${lengthNote}): every acknowledged payment is charged once`, {
	timeout: 120_000,
}, async () => {
	const lab = await startLab({ settings });
	await Promise.all([lab.default.delay(60), lab.fallback.delay(60)]);
	const second = await secondConsumer(lab);
	const load = startLoad(lab.relay.url, ratePerS);
	await load.firstAcknowledged(performance.now() + 500);
	for (let round = 0; round < rounds; round++) {
		const stopped = round % 2 === 0 ? await lab.relay.pid("consumer") : second;
		await standStill(stopped, 2 * leaseMs);
		await load.firstAcknowledged(performance.now() + 500);
	}
	await endsWell(lab, await load.stop());
});

test(`the only consumer stopped past its lease, ${rounds} times (${lengthNote}): every acknowledged payment is charged once`, {
	timeout: 120_000,
}, async () => {
	const lab = await startLab({ settings });
	await Promise.all([lab.default.delay(60), lab.fallback.delay(60)]);
	const load = startLoad(lab.relay.url, ratePerS);
	await load.firstAcknowledged(performance.now() + 500);
	for (let round = 0; round < rounds; round++) {
		await standStill(await lab.relay.pid("consumer"), 2 * leaseMs);
		await load.firstAcknowledged(performance.now() + 500);
	}
	await endsWell(lab, await load.stop());
});

test(`the cache stopped past the lease at ${ratePerS} payments/s, ${rounds} times (${lengthNote}): nobody is told a lie, and nothing is lost`, {
	timeout: 120_000,
}, async () => {
	const lab = await startLab({ settings });
	await Promise.all([lab.default.delay(60), lab.fallback.delay(60)]);
	const load = startLoad(lab.relay.url, ratePerS);
	await load.firstAcknowledged(performance.now() + 500);
	for (let round = 0; round < rounds; round++) {
		await standStill(await lab.relay.pid("cache"), 2 * leaseMs);
		await load.firstAcknowledged(performance.now() + 500);
	}
	await endsWell(lab, await load.stop());
});

async function standStill(pid: number, ms: number): Promise<void> {
	signal(pid, "SIGSTOP");
	try {
		await sleepMs(ms);
	} finally {
		signal(pid, "SIGCONT");
	}
}

async function endsWell(lab: Lab, posted: Awaited<ReturnType<ReturnType<typeof startLoad>["stop"]>>): Promise<void> {
	const figures = await lab.drained();
	const { findings, charged } = await lab.audit(posted);
	report(`${tally(posted)}; charged ${charged.default} + ${charged.fallback}; ${figures.retries} attempts repeated`);
	expect(findings).toEqual([]);
	expect(figures.settlesRefused).toBe(0n);
}

/** A consumer beside the supervisor's own, as a second machine would run it. */
async function secondConsumer(lab: Lab): Promise<number> {
	const [program, ...args] = [...runtimeCommand, mainModule, "consumer"];
	const child = spawn(program as string, args, {
		cwd: projectRoot,
		env: {
			PATH: process.env.PATH,
			DATA_DIR: lab.relay.dataDir,
			PROCESSOR_DEFAULT_URL: lab.default.url,
			PROCESSOR_FALLBACK_URL: lab.fallback.url,
			...settings,
		},
		stdio: ["ignore", "ignore", "inherit"],
	});
	onTestFinished(async () => {
		const ended = once(child, "close");
		child.kill("SIGKILL");
		await ended;
	});
	await until("two consumers", 10_000, async () => (await lab.relay.stats.figures({})).consumers === 2);
	return child.pid as number;
}
