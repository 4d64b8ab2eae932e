// Stretches of payments, alone and beside summaries in turn; what each of them posted is looked for afterwards.
import { randomBytes } from "node:crypto";
import { processors } from "../../payment/payment.ts";
import { variedAmounts } from "../amounts.ts";
import { arrivals } from "../arrivals.ts";
import { auditById, faultsOf, type Posted } from "../audit-by-id.ts";
import { wait } from "../beside.ts";
import { countOf } from "../books.ts";
import { createDriver } from "../driver.ts";
import { createIds } from "../ids.ts";
import { openLoop } from "../loads.ts";
import { median } from "../median.ts";
import { createLatencies, createMeter, failures, type Latency } from "../meter.ts";
import { createOutcomes } from "../outcomes.ts";
import { prefilledSpan } from "../prefill.ts";
import { isRelays } from "../processes.ts";
import { tellNumber } from "../tell-number.ts";
import { windowOf } from "../window.ts";
import { lookUp } from "./look-up.ts";
import { addFigure, type Running } from "./state.ts";

export interface StretchOptions {
	/** Payments/s. */
	readonly rate: number;
	readonly seconds: number;
	/** Times that payments are posted with and without summaries asked for at the same time. */
	readonly rounds: number;
	readonly summariesPerSecond: number;
	readonly seed: number;
	readonly connections: number;
	readonly timeoutMs: number;
	readonly drainS: number;
}

interface Stretch {
	readonly latency: Latency;
	readonly summaries: Latency;
	readonly failed: number;
	/** Summaries that were not answered. */
	readonly unanswered: number;
	readonly cpuUs: ReadonlyMap<string, number>;
}

const warmUpS = 5;
/** Looked up at the relay, of what it acknowledged. */
const lookedUpMax = 500;
const settledLookMs = 100;

/** With and without summaries in turn, each first in every other round, so that whatever else the machine does meets both alike. */
export async function postInRounds(running: Running, options: StretchOptions): Promise<void> {
	const { state, tell } = running;
	const quiet: Stretch[] = [];
	const asked: Stretch[] = [];
	await post(running, options, warmUpS, 0);
	for (let round = 0; round < options.rounds; round++) {
		const alone = async () => void quiet.push(await post(running, options, options.seconds, 0));
		const beside = async () =>
			void asked.push(await post(running, options, options.seconds, options.summariesPerSecond));
		for (const turn of round % 2 === 0 ? [alone, beside] : [beside, alone]) await turn();
	}
	for (const [what, stretches] of [
		["payments alone", quiet],
		["payments beside summaries", asked],
	] as const) {
		const at = (pick: (stretch: Stretch) => number | undefined): number | undefined => median(stretches.map(pick));
		tell(
			`${state.name}: ${what}: p99 in turn ${stretches.map(({ latency }) => tellNumber(latency.p99, 1)).join(", ")} ms`,
		);
		addFigure(
			state,
			`${what}, p50`,
			at(({ latency }) => latency.p50),
			"ms",
		);
		addFigure(
			state,
			`${what}, p99`,
			at(({ latency }) => latency.p99),
			"ms",
		);
		addFigure(
			state,
			`${what}, failed`,
			stretches.reduce((sum, { failed }) => sum + failed, 0),
			"posts",
		);
	}
	addFigure(state, "summaries beside payments, p99", median(asked.map(({ summaries }) => summaries.p99)), "ms");
	const unanswered = asked.reduce((sum, stretch) => sum + stretch.unanswered, 0);
	addFigure(state, "summaries beside payments, failed", unanswered, "requests");
	for (const name of new Set(quiet.flatMap(({ cpuUs }) => [...cpuUs.keys()])))
		addFigure(state, `CPU of ${name} for a payment`, median(quiet.map(({ cpuUs }) => cpuUs.get(name))), "µs");
}

/** One stretch of an open loop; what it posted is looked for afterwards. */
async function post(
	running: Running,
	options: StretchOptions,
	seconds: number,
	summariesPerSecond: number,
): Promise<Stretch> {
	const { target, state, random, tell, signal } = running;
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
	if (state.past.waiting === 0) await waitUntilSettled(running, options.drainS, accepted, startedMs);
	// What is asked from here on is no part of what a payment takes.
	const services = (target.sampler?.end() ?? []).filter(({ name }) => isRelays(name));
	const faults =
		state.past.waiting === 0
			? faultsOf(await auditById(target.processors, posted))
			: await lookUp(target, acknowledged(posted));
	state.violations.push(...faults);
	return {
		latency: meter.latency(),
		summaries: summaries.read(),
		failed: failures(meter.counts()),
		unanswered,
		cpuUs: new Map(accepted === 0 ? [] : services.map(({ name, cpuMs }) => [name, (cpuMs * 1000) / accepted])),
	};
}

async function waitUntilSettled({ target, state, signal }: Running, drainS: number, accepted: number, fromMs: number) {
	const untilMs = performance.now() + drainS * 1000;
	while (countOf(await target.relay.books(windowOf(fromMs, Date.now() + 1000))) < accepted) {
		if (performance.now() < untilMs && (await wait(settledLookMs, signal))) continue;
		state.violations.push(`not everything accepted was settled within ${drainS} s after the load`);
		return;
	}
}

/** Evenly picked. */
function acknowledged({ ids, outcomes }: Posted): string[] {
	const step = Math.max(1, Math.ceil(outcomes.count() / lookedUpMax));
	const picked: string[] = [];
	for (let n = 0; n < outcomes.count(); n += step) if (outcomes.of(n) === "accepted") picked.push(ids.at(n));
	return picked;
}
