// A relay with a long past: the same measurements on data folders with few and with very many payments in them.
//
// The simulated processors know nothing of the past, so two accounts are kept. Windows in the past are compared with what
// was written there. What is posted during the run is looked up by id: at the processors where they take part, at the
// relay where they are out of reach so that the payments that wait go on waiting.
import { randomBytes } from "node:crypto";
import { cpSync, existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processors } from "../../payment/payment.ts";
import { variedAmounts } from "../amounts.ts";
import { arrivals } from "../arrivals.ts";
import { auditById, faultsOf } from "../audit-by-id.ts";
import { wait } from "../beside.ts";
import { countOf, describeTotals, sameTotals } from "../books.ts";
import { createDriver } from "../driver.ts";
import { freePorts } from "../free-ports.ts";
import { createIds } from "../ids.ts";
import type { Terminal } from "../live.ts";
import { openLoop } from "../loads.ts";
import { median, worst } from "../median.ts";
import { createLatencies, createMeter, failures, type Latency } from "../meter.ts";
import { createOutcomes } from "../outcomes.ts";
import { type Prefill, prefill, prefilledBooks, prefilledSpan } from "../prefill.ts";
import { isRelays } from "../processes.ts";
import { createRandom, type Random } from "../random.ts";
import { columns, table, tellLatency } from "../report.ts";
import { type Figure, figure, type ScenarioResult } from "../results.ts";
import { openTarget, type Target, type TargetOptions } from "../target.ts";
import { tellNumber } from "../tell-number.ts";
import { windowOf } from "../window.ts";

export interface AgedOptions {
	/** Of the folders that are compared, settled payments in each. */
	readonly settled: readonly number[];
	/** Payments that wait, in a copy of the largest of them; 0: no such copy. */
	readonly waiting: number;
	/** Where prepared data folders are kept for the next time; absent: nothing is kept. */
	readonly folder: string | undefined;
	readonly queries: number;
	/** Payments/s. */
	readonly rate: number;
	readonly seconds: number;
	/** Times that payments are posted with and without summaries asked for at the same time. */
	readonly rounds: number;
	readonly summariesPerSecond: number;
	readonly kills: number;
	readonly seed: number;
	readonly connections: number;
	readonly timeoutMs: number;
	readonly drainS: number;
}

interface Step {
	readonly latency: Latency;
	readonly summaries: Latency;
	readonly failed: number;
	/** Summaries that were not answered. */
	readonly unanswered: number;
	readonly cpuUs: ReadonlyMap<string, number>;
}

/** One state of one folder, as found. */
interface State {
	readonly name: string;
	readonly past: Prefill;
	readonly folder: string;
	readonly figures: Figure[];
	readonly violations: string[];
}

const warmUpS = 5;
const warmUpQueries = 100;
const comparedWindows = 20;
const probeEveryMs = 20;
const probeTimeoutMs = 1_000;
const backMaxMs = 60_000;
/** Looked up at the relay, of what it acknowledged. */
const lookedUpMax = 500;
const MiB = 2 ** 20;

export async function aged(
	options: AgedOptions,
	targetOptions: TargetOptions,
	out: Terminal,
	signal: AbortSignal,
): Promise<ScenarioResult> {
	const { settled, waiting, seed, folder } = options;
	const root = folder ?? (await mkdtemp(join(tmpdir(), "payrelay-aged-")));
	const tell = (text: string): void => void out.write(`${text}\n`);
	const states: State[] = [];
	async function measure(past: Prefill, at: string, run: (bench: Running) => Promise<void>): Promise<void> {
		signal.throwIfAborted();
		await mkdir(at, { recursive: true });
		await prefill(at, past, tell);
		const name = `${past.settled} settled${past.waiting > 0 ? `, ${past.waiting} waiting` : ""}`;
		const state: State = { name, past, folder: at, figures: [], violations: [] };
		const away = past.waiting > 0 ? await outOfReach() : {};
		const env = { ...targetOptions.env, DATA_DIR: at };
		const target = await openTarget({ ...targetOptions, ...away, env }, signal);
		try {
			await run({ options, target, state, random: createRandom(seed), tell, signal });
		} finally {
			await target.close();
		}
		states.push(state);
	}
	try {
		for (const count of settled)
			await measure({ seed, settled: count, waiting: 0 }, join(root, `settled-${count}`), measureAll);
		if (waiting > 0) {
			const count = Math.max(...settled);
			const at = join(root, `settled-${count}-waiting-${waiting}`);
			if (!existsSync(at)) cpSync(join(root, `settled-${count}`), at, { recursive: true });
			await measure({ seed, settled: count, waiting }, at, measureAll);
		}
	} finally {
		if (folder === undefined) await rm(root, { recursive: true, force: true });
	}
	const names = [...new Set(states.flatMap(({ figures }) => figures.map(({ name, unit }) => `${name}, ${unit}`)))];
	const lines = names.map((name) => [
		name,
		...states.map(({ figures }) => String(figures.find((one) => `${one.name}, ${one.unit}` === name)?.value ?? "-")),
	]);
	tell(`\n${columns([["", ...states.map(({ name }) => name)], ...lines]).join("\n")}\n`);
	return {
		scenario: "aged",
		runs: [],
		violations: states.flatMap(({ name, violations }) => violations.map((what) => `${name}: ${what}`)),
		figures: states.flatMap(({ name: state, figures }) =>
			figures.map(({ name, value, unit }) => ({ name: `${state}: ${name}`, value, unit })),
		),
	};
}

interface Running {
	readonly options: AgedOptions;
	readonly target: Target;
	readonly state: State;
	readonly random: Random;
	readonly tell: (text: string) => void;
	readonly signal: AbortSignal;
}

async function measureAll(running: Running): Promise<void> {
	await tellSize(running);
	await askPast(running);
	await postInRounds(running);
	await tellMemory(running);
	await killInTurn(running);
}

/** Nobody listens there: each charge is refused, which proves that nothing was charged, and all goes on waiting. */
async function outOfReach(): Promise<Pick<TargetOptions, "defaultUrl" | "fallbackUrl">> {
	const [a, b] = await freePorts(2);
	return { defaultUrl: `http://127.0.0.1:${a}`, fallbackUrl: `http://127.0.0.1:${b}` };
}

async function tellSize({ state }: Running): Promise<void> {
	const { size } = await stat(join(state.folder, "payments.db"));
	add(state, "database", size / MiB, "MiB");
}

/** Random windows over the past, one after the other; the first of them are compared with what was written. */
async function askPast({ options, target, state, random, tell, signal }: Running): Promise<void> {
	const { fromMs, toMs } = prefilledSpan(state.past);
	const latencies = createLatencies();
	for (let i = -warmUpQueries; i < options.queries; i++) {
		signal.throwIfAborted();
		const [a, b] = [random(), random()].map((part) => Math.floor(fromMs + part * (toMs - fromMs))) as [number, number];
		const [from, to] = [Math.min(a, b), Math.max(a, b)];
		const askedMs = performance.now();
		const books = await target.relay.books(windowOf(from, to));
		if (i >= 0) latencies.record(performance.now() - askedMs);
		if (i >= comparedWindows - warmUpQueries) continue;
		const written = prefilledBooks(state.past, from, to);
		for (const one of processors)
			if (!sameTotals(books[one], written[one]))
				state.violations.push(
					`${one}, from ${from} to ${to} ms: ${describeTotals(books[one])}, and ${describeTotals(written[one])} were written`,
				);
	}
	const latency = latencies.read();
	tell(`${state.name}: summaries of the past ${tellLatency(latency)}`);
	add(state, "summary p50", latency.p50, "ms");
	add(state, "summary p99", latency.p99, "ms");
}

/** With and without summaries in turn, each first in every other round, so that whatever else the machine does meets both alike. */
async function postInRounds(running: Running): Promise<void> {
	const { options, state, tell } = running;
	const quiet: Step[] = [];
	const asked: Step[] = [];
	await post(running, warmUpS, 0);
	for (let round = 0; round < options.rounds; round++) {
		const alone = async () => void quiet.push(await post(running, options.seconds, 0));
		const beside = async () => void asked.push(await post(running, options.seconds, options.summariesPerSecond));
		for (const turn of round % 2 === 0 ? [alone, beside] : [beside, alone]) await turn();
	}
	for (const [what, steps] of [
		["payments alone", quiet],
		["payments beside summaries", asked],
	] as const) {
		const at = (pick: (step: Step) => number | undefined): number | undefined => median(steps.map(pick));
		tell(`${state.name}: ${what}: p99 in turn ${steps.map(({ latency }) => tellNumber(latency.p99, 1)).join(", ")} ms`);
		add(
			state,
			`${what}, p50`,
			at(({ latency }) => latency.p50),
			"ms",
		);
		add(
			state,
			`${what}, p99`,
			at(({ latency }) => latency.p99),
			"ms",
		);
		add(
			state,
			`${what}, failed`,
			steps.reduce((sum, { failed }) => sum + failed, 0),
			"posts",
		);
	}
	add(state, "summaries beside payments, p99", median(asked.map(({ summaries }) => summaries.p99)), "ms");
	const unanswered = asked.reduce((sum, step) => sum + step.unanswered, 0);
	add(state, "summaries beside payments, failed", unanswered, "requests");
	for (const name of new Set(quiet.flatMap(({ cpuUs }) => [...cpuUs.keys()])))
		add(state, `CPU of ${name} for a payment`, median(quiet.map(({ cpuUs }) => cpuUs.get(name))), "µs");
}

/** One stretch of an open loop; what it posted is looked for afterwards. */
async function post(running: Running, seconds: number, summariesPerSecond: number): Promise<Step> {
	const { options, target, state, random, tell, signal } = running;
	const meter = createMeter();
	const ids = createIds(randomBytes(16));
	const outcomes = createOutcomes();
	const amounts = variedAmounts(options.seed);
	const driver = createDriver({ url: target.url, timeoutMs: options.timeoutMs, ids, amounts, outcomes, meter });
	const times = arrivals(options.rate, seconds * 1000, "constant", random);
	const summaries = createLatencies();
	const { fromMs, toMs } = prefilledSpan(state.past);
	const ended = new AbortController();
	let unanswered = 0;
	const startedMs = Date.now();
	async function summarize(): Promise<void> {
		while (summariesPerSecond > 0 && (await wait(1000 / summariesPerSecond, ended.signal))) {
			const [a, b] = [random(), random()].map((part) => fromMs + part * (toMs - fromMs)) as [number, number];
			const askedMs = performance.now();
			try {
				await target.relay.books(windowOf(Math.min(a, b), Math.max(a, b)));
				summaries.record(performance.now() - askedMs);
			} catch (error) {
				if (++unanswered === 1) tell(`${state.name}: a summary beside payments failed: ${(error as Error).message}`);
			}
		}
	}
	if (state.past.waiting === 0) await Promise.all(processors.map((one) => target.processors[one].purge()));
	target.sampler?.begin();
	const summarizing = summarize();
	try {
		await openLoop(times, options.connections, 0)(driver, signal);
		await driver.idle();
	} finally {
		ended.abort();
		driver.close();
		await summarizing;
	}
	signal.throwIfAborted();
	const { accepted } = meter.counts();
	const posted = { ids, amounts, outcomes };
	if (state.past.waiting === 0) await waitUntilSettled(running, accepted, startedMs);
	// What is asked from here on is no part of what a payment takes.
	const services = (target.sampler?.end() ?? []).filter(({ name }) => isRelays(name));
	const faults =
		state.past.waiting === 0 ? faultsOf(await auditById(target.processors, posted)) : await lookUp(target, posted);
	state.violations.push(...faults);
	return {
		latency: meter.latency(),
		summaries: summaries.read(),
		failed: failures(meter.counts()),
		unanswered,
		cpuUs: new Map(accepted === 0 ? [] : services.map(({ name, cpuMs }) => [name, (cpuMs * 1000) / accepted])),
	};
}

async function waitUntilSettled({ options, target, state, signal }: Running, accepted: number, fromMs: number) {
	const untilMs = performance.now() + options.drainS * 1000;
	while (countOf(await target.relay.books(windowOf(fromMs, Date.now() + 1000))) < accepted) {
		if (performance.now() < untilMs && (await wait(100, signal))) continue;
		state.violations.push(`not everything accepted was settled within ${options.drainS} s after the load`);
		return;
	}
}

/** What was acknowledged is at the relay, evenly picked. */
async function lookUp(target: Target, { ids, outcomes }: Parameters<typeof auditById>[1]): Promise<string[]> {
	const lost: string[] = [];
	const step = Math.max(1, Math.ceil(outcomes.count() / lookedUpMax));
	for (let n = 0; n < outcomes.count(); n += step) {
		if (outcomes.of(n) !== "accepted") continue;
		const told = await target.relay.describe(ids.at(n));
		if (!told.startsWith("200 ")) lost.push(`${ids.at(n)} was acknowledged; the relay says: ${told}`);
	}
	return lost;
}

async function tellMemory({ target, state, tell }: Running): Promise<void> {
	const memory = await target.memory();
	if (memory.size === 0) return;
	const all = [...memory];
	const rows = all.map(([name, { bytes, mostBytes, fileBytes }]) => ({
		label: `memory of ${name}`,
		value: `${toMiB(bytes)} MiB, of files ${toMiB(fileBytes)}, at most ${toMiB(mostBytes)}`,
	}));
	tell(`${state.name}:\n${table(rows).join("\n")}`);
	for (const [name, { mostBytes }] of all) add(state, `memory of ${name} at most`, mostBytes / MiB, "MiB");
	const sum = (pick: "bytes" | "mostBytes"): number => all.reduce((total, [, one]) => total + one[pick], 0) / MiB;
	add(state, "memory of all", sum("bytes"), "MiB");
	add(state, "memory of all at most", sum("mostBytes"), "MiB");
}

const toMiB = (bytes: number): string => (bytes / MiB).toFixed(0);

/** The cache is killed, and started again; payments are posted all the while. What was acknowledged before is still there. */
async function killInTurn({ options, target, state, tell, signal }: Running): Promise<void> {
	const { killCache } = target;
	if (!killCache) return;
	const tookMs: (number | undefined)[] = [];
	const ids = createIds(randomBytes(16));
	const acknowledged: string[] = [];
	let n = 0;
	async function probe(atMs: number): Promise<number | undefined> {
		const id = ids.at(n++);
		const answer = await fetch(`${target.url}/payments`, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify({ correlationId: id, amount: 1 }),
			signal: AbortSignal.timeout(probeTimeoutMs),
			// No answer is what a killed cache gives: it is asked again.
		}).catch(() => undefined);
		await answer?.body?.cancel();
		if (answer?.status !== 202) return undefined;
		acknowledged.push(id);
		return performance.now() - atMs;
	}
	for (let kill = 0; kill < options.kills; kill++) {
		for (let i = 0; i < 10; i++) await probe(performance.now());
		const killedMs = performance.now();
		const restarted = killCache();
		let back: number | undefined;
		const probes = new Set<Promise<unknown>>();
		// What was sent before it was dead may still be answered by the one that dies: only later ones count.
		await wait(probeEveryMs, signal);
		while (back === undefined && performance.now() - killedMs < backMaxMs && !signal.aborted) {
			const sent = probe(killedMs).then((ms) => {
				back ??= ms;
				probes.delete(sent);
			});
			probes.add(sent);
			await wait(probeEveryMs, signal);
		}
		await Promise.all(probes);
		await restarted;
		signal.throwIfAborted();
		tookMs.push(back);
		tell(`${state.name}: first 202 after SIGKILL of the cache: ${tellNumber(back, 0)} ms`);
		if (back === undefined) break;
		await wait(2_000, signal);
	}
	if (tookMs.includes(undefined))
		// Who does not take payments is not asked what became of them.
		state.violations.push(`no payment was accepted within ${backMaxMs} ms after SIGKILL of the cache`);
	else
		for (const id of acknowledged) {
			const told = await target.relay.describe(id);
			if (!told.startsWith("200 ")) state.violations.push(`${id} was acknowledged; the relay says: ${told}`);
		}
	add(state, "first 202 after SIGKILL, median", median(tookMs), "ms");
	add(state, "first 202 after SIGKILL, most", worst(tookMs), "ms");
}

function add({ figures }: State, name: string, value: number | undefined, unit: string): void {
	figures.push(figure(name, value, unit, 2));
}
