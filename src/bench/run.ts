// One run: everything is made empty, the load runs beside its timetable and audits, what is left drains, and then every
// payment is accounted for.
import { randomBytes } from "node:crypto";
import { processors } from "../payment/payment.ts";
import { collectGarbage } from "../runtime.ts";
import type { Amounts } from "./amounts.ts";
import { type Audit, readProcessors } from "./audit.ts";
import { auditById, faultsOf, type IdAudit } from "./audit-by-id.ts";
import { type AuditPlan, type CommitLatency, runBeside, type Sample, wait } from "./beside.ts";
import { type Books, countOf } from "./books.ts";
import { createDriver } from "./driver.ts";
import { createIds } from "./ids.ts";
import { createLive, type Terminal } from "./live.ts";
import type { Load } from "./loads.ts";
import { type Counts, createMeter, failures, type Latency } from "./meter.ts";
import { createOutcomes } from "./outcomes.ts";
import { isRelays, type ServiceUse } from "./processes.ts";
import type { ProcessorFigures } from "./processor-client.ts";
import { createRandom } from "./random.ts";
import { feesOn, type Score, scoreRun } from "./score.ts";
import { compareBooks, makeWell, randomWindows, waitUntilDrained } from "./settling.ts";
import type { Target } from "./target.ts";
import type { Timetable } from "./timetable.ts";
import { windowOf } from "./window.ts";

export interface RunPlan {
	readonly name: string;
	/** How long the load lasts, about. */
	readonly forMs: number;
	readonly load: Load;
	readonly amounts: Amounts;
	/** Of one post. */
	readonly timeoutMs: number;
	/** What is in force at its end stays until the run's score is taken; then both processors become well. */
	readonly timetable: Timetable;
	readonly audits: AuditPlan | undefined;
	readonly summariesPerSecond: number;
	readonly drainMaxMs: number;
}

export interface RunResult {
	readonly name: string;
	readonly startedAt: string;
	readonly loadMs: number;
	readonly timetable: Timetable;
	readonly counts: Counts;
	readonly unclear: number;
	readonly latency: Latency;
	readonly httpLatency: Latency;
	/** How much later than intended the bench came to each post. */
	readonly lateness: Latency;
	/** How long posts waited for a free connection, which is a part of their latency. */
	readonly waiting: Latency;
	readonly summaries: Latency;
	readonly commits: readonly CommitLatency[];
	readonly samples: readonly Sample[];
	readonly audits: readonly Audit[];
	/** What the relay had settled when the load ended. */
	readonly booksAtEnd: Books;
	readonly unpaidAtEnd: number;
	readonly score: Score;
	/** How long after the load's end, with both processors well, all was settled. */
	readonly drained: boolean;
	readonly drainMs: number;
	/** What the processors have after that. */
	readonly charged: Books;
	/** Decimal text. */
	readonly fees: string;
	readonly byId: IdAudit;
	readonly services: readonly ServiceUse[];
	/** The bench's own CPU time while the load ran. */
	readonly benchCpuMs: number;
	/** Of the relay's processes, from the start of the load until all was settled; undefined where nothing was measured. */
	readonly cpuUsPerPayment: number | undefined;
	readonly simulators: Readonly<Record<string, ProcessorFigures>>;
	readonly relayMetrics: Readonly<Record<string, number>>;
	readonly troubles: readonly string[];
	/** Broken promises, in words; empty where all were kept. */
	readonly violations: readonly string[];
}

const insistMax = 20;
const insistPauseMs = 500;
const finalWindows = 16;
/** The public script takes its totals from the last 70 s of a run of 60 s. */
const beforeStartMs = 10_000;
/** Processors answer one health call in so long, for all callers together. */
const healthGapMinMs = 5_000;

export async function run(target: Target, plan: RunPlan, out: Terminal, signal: AbortSignal): Promise<RunResult> {
	await prepare(target);
	const meter = createMeter();
	const outcomes = createOutcomes();
	const ids = createIds(randomBytes(16));
	const driver = createDriver({ ...plan, url: target.url, ids, outcomes, meter });
	const live = createLive(plan.name, plan.forMs / 1000, out);
	target.timed = meter.beside;
	target.sampler?.begin();
	// What is left of the start would be moved about while the load runs.
	collectGarbage();

	const ended = new AbortController();
	const cpuBefore = process.cpuUsage();
	const startedWallMs = Date.now();
	const startedMs = performance.now();
	const besideRun = runBeside(target, plan, meter, live, ended.signal);
	try {
		await plan.load(driver, signal);
		await driver.idle();
	} finally {
		ended.abort();
		driver.close();
		live.stop();
	}
	const loadMs = performance.now() - startedMs;
	const benchCpu = process.cpuUsage(cpuBefore);
	const endedWallMs = Date.now();
	target.timed = () => {};
	const booksAtEnd = await insist(
		() => target.relay.books(windowOf(startedWallMs - beforeStartMs, endedWallMs)),
		signal,
	);
	const beside = await besideRun;

	await makeWell(target);
	const counts = meter.counts();
	const unclear = outcomesOf(outcomes.count(), outcomes.of, "unclear");
	const { drained, tookMs } = await waitUntilDrained(target, counts.accepted, unclear, plan.drainMaxMs, signal);
	const services = target.sampler?.end() ?? [];
	const byId = await auditById(target.processors, { ids, amounts: plan.amounts, outcomes });
	const windows = randomWindows(finalWindows, startedWallMs, Date.now(), byId.moments, createRandom(startedWallMs));
	const differences = await compareBooks(target);
	for (const window of windows) differences.push(...(await compareBooks(target, window)));
	const simulators = await simulatorFigures(target);
	const feeRates = {
		default: await target.processors.default.feeRate(),
		fallback: await target.processors.fallback.feeRate(),
	};
	const charged = await readProcessors(target);
	const httpLatency = meter.httpLatency();
	const relayCpuMs = services.filter(({ name }) => isRelays(name)).reduce((sum, { cpuMs }) => sum + cpuMs, 0);
	const missing = await Promise.all(
		byId.unpaidIds.map(async (id) => `${id} is charged nowhere; the relay says: ${await target.relay.describe(id)}`),
	);

	return {
		name: plan.name,
		startedAt: new Date(startedWallMs).toISOString(),
		loadMs,
		timetable: plan.timetable,
		counts,
		unclear,
		latency: meter.latency(),
		httpLatency,
		lateness: meter.lateness(),
		waiting: meter.waiting(),
		summaries: beside.summaries,
		commits: beside.commits,
		samples: beside.samples,
		audits: beside.audits,
		booksAtEnd,
		unpaidAtEnd: Math.max(counts.accepted - countOf(booksAtEnd), 0),
		score: scoreRun({
			books: booksAtEnd,
			feeRates,
			p99Ms: httpLatency.p99,
			inconsistent: beside.audits.some(({ plainCount }) => plainCount > 0),
			accepted: counts.accepted,
		}),
		drained,
		drainMs: tookMs,
		charged,
		fees: feesOn(charged, feeRates).toFixed(2),
		byId,
		services,
		benchCpuMs: (benchCpu.user + benchCpu.system) / 1000,
		cpuUsPerPayment: services.length > 0 && counts.accepted > 0 ? (relayCpuMs * 1000) / counts.accepted : undefined,
		simulators,
		relayMetrics: Object.fromEntries(await target.relay.metrics().catch(() => new Map<string, number>())),
		troubles: beside.troubles,
		violations: [
			...beside.audits.flatMap((one) =>
				one.violations.map((what) => `books at ${Math.round(one.atMs / 1000)} s: ${what}`),
			),
			...(beside.auditsFailed > 0
				? [`${beside.auditsFailed} audits got no answer: of the books at these moments nothing is known`]
				: []),
			...faultsOf(byId),
			...byId.examples,
			...missing,
			...differences.map((what) => `books at the end: ${what}`),
			...(drained ? [] : [`not everything accepted was settled within ${plan.drainMaxMs} ms after the load`]),
			...impatience(simulators),
		],
	};
}

/** As the public script does before a run, and both processors well. */
async function prepare(target: Target): Promise<void> {
	await makeWell(target);
	await target.relay.purge();
	await Promise.all(processors.map((one) => target.processors[one].purge()));
	await Promise.all(processors.map((one) => target.processors[one].resetFigures()));
}

/** Asks again where the relay does not answer, because it may just be starting again. */
async function insist<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
	for (let left = insistMax; ; left--) {
		try {
			return await ask();
		} catch (error) {
			if (left === 0 || !(await wait(insistPauseMs, signal))) throw error;
		}
	}
}

async function simulatorFigures(target: Target): Promise<Record<string, ProcessorFigures>> {
	const found = await Promise.all(
		processors.map(async (one) => [one, await target.processors[one].figures()] as const),
	);
	return Object.fromEntries(found.flatMap(([name, figures]) => (figures ? [[name, figures]] : [])));
}

function impatience(simulators: Readonly<Record<string, ProcessorFigures>>): string[] {
	return Object.entries(simulators).flatMap(([name, { health }]) => [
		...(health.minAskedIntervalMs !== null && health.minAskedIntervalMs < healthGapMinMs
			? [`${name}: asked for its health twice within ${Math.floor(health.minAskedIntervalMs)} ms`]
			: []),
		...(health.refused > 0 ? [`${name}: refused to tell its health ${health.refused} times (429)`] : []),
	]);
}

function outcomesOf(count: number, of: (n: number) => string, outcome: string): number {
	let found = 0;
	for (let n = 0; n < count; n++) if (of(n) === outcome) found++;
	return found;
}

/** Requests to the processors' POST /payments beyond the one that each charge needs, as a part of the charges. */
export function repeatRatio(simulators: Readonly<Record<string, ProcessorFigures>>): number | undefined {
	const all = Object.values(simulators);
	const charged = all.reduce((sum, one) => sum + one.charged, 0);
	return charged === 0 ? undefined : all.reduce((sum, one) => sum + one.posts - one.charged, 0) / charged;
}

/** Whether so little failed that a rate counts as borne. */
export function bore(result: RunResult, p99MaxMs: number): boolean {
	return (result.latency.p99 ?? Number.POSITIVE_INFINITY) <= p99MaxMs && failures(result.counts) === 0;
}
