// A backlog built up while both processors fail, and then how fast it goes once they are instant.
import type { Processor } from "../../payment/payment.ts";
import { variedAmounts } from "../amounts.ts";
import { wait } from "../beside.ts";
import { asFastAsAccepted, type Load } from "../loads.ts";
import { isRelays } from "../processes.ts";
import { table } from "../report.ts";
import type { Figure } from "../results.ts";
import { runAndReport, type Scenario, violationsOf } from "../scenario.ts";
import { makeWell } from "../settling.ts";
import type { Target } from "../target.ts";
import type { Timetable } from "../timetable.ts";

export interface DrainOptions {
	readonly count: number;
}

const failing = { delayMs: 0, failing: true };
const bothFail: Timetable = [{ atMs: 0, default: failing, fallback: failing }];
/** For the progress bar: about what a relay accepts a second. */
const expectedPerSecond = 3_000;
/** A relay that drains more slowly is not waited for. */
const slowestPerSecond = 200;
const pollMs = 50;
/** The rate is taken between these parts of the backlog: the relay has to notice first that processors are well again. */
const fromPart = 0.05;
const toPart = 0.95;

interface Drain {
	acceptedMs: number;
	/** Since the processors became well: how many were charged by when. */
	readonly progress: { readonly atMs: number; readonly charged: number }[];
	rssBytes: number;
}

export const drain: Scenario<DrainOptions> = async (bench, { count }) => {
	const { target, options } = bench;
	const drained: Drain = { acceptedMs: 0, progress: [], rssBytes: 0 };
	const build = asFastAsAccepted(count, options.connections);
	const load: Load = async (driver, signal) => {
		await Promise.all([target.processors.default.set(failing), target.processors.fallback.set(failing)]);
		const startedMs = performance.now();
		await build(driver, signal);
		drained.acceptedMs = performance.now() - startedMs;
		const processes = target.sampler?.sample() ?? [];
		drained.rssBytes = processes.filter(({ name }) => isRelays(name)).reduce((sum, one) => sum + one.rssBytes, 0);
		await watch(target, count, drained, (count / slowestPerSecond + options.drainS) * 1000, signal);
	};
	const result = await runAndReport(bench, {
		name: `drain ${count}`,
		forMs: (count / expectedPerSecond) * 1000,
		load,
		amounts: variedAmounts(options.seed),
		timetable: bothFail,
		audited: false,
	});
	const figures = [
		{ name: "backlog accepted", value: Math.round((count / drained.acceptedMs) * 1000), unit: "payments/s" },
		...(drained.rssBytes > 0 ? [memoryFigure(drained.rssBytes)] : []),
		...drainFigures(count, drained.progress),
	];
	bench.out.write(
		`${table(figures.map(({ name, value, unit }) => ({ label: name, value: `${value} ${unit}` }))).join("\n")}\n`,
	);
	return { scenario: "drain", runs: [result], violations: violationsOf([result]), figures };
};

function memoryFigure(rssBytes: number): Figure {
	return { name: "memory of the relay with the backlog (RSS)", value: Math.round(rssBytes / 2 ** 20), unit: "MiB" };
}

async function watch(target: Target, count: number, drain: Drain, maxMs: number, signal: AbortSignal): Promise<void> {
	await makeWell(target);
	const healedMs = performance.now();
	for (;;) {
		const [a, b] = await Promise.all([countStored(target, "default"), countStored(target, "fallback")]);
		const atMs = performance.now() - healedMs;
		drain.progress.push({ atMs, charged: a + b });
		if (a + b >= count || atMs > maxMs || !(await wait(pollMs, signal))) return;
	}
}

/** From a simulator's figures where there are some: a sum over all payments costs it more with each. */
async function countStored(target: Target, name: Processor): Promise<number> {
	const client = target.processors[name];
	return (await client.figures())?.stored ?? (await client.totals()).count;
}

export function drainFigures(
	count: number,
	progress: readonly { readonly atMs: number; readonly charged: number }[],
): { name: string; value: number; unit: string }[] {
	const at = (part: number) => progress.find(({ charged }) => charged >= count * part);
	const [from, to, whole] = [at(fromPart), at(toPart), at(1)];
	if (!from || !to || !whole)
		return [{ name: "not drained; charged in the end", value: progress.at(-1)?.charged ?? 0, unit: "payments" }];
	// Instant enough to fall into one reading: then the whole is all that can be told.
	const rate = to.atMs > from.atMs ? (to.charged - from.charged) / (to.atMs - from.atMs) : whole.charged / whole.atMs;
	const noticed = progress.find(({ charged }) => charged > 0)!;
	return [
		{ name: "first charges seen after the processors became well", value: Math.round(noticed.atMs), unit: "ms" },
		{ name: "all charged after the processors became well", value: Math.round(whole.atMs), unit: "ms" },
		{ name: "drained, between 5 and 95 % of the backlog", value: Math.round(rate * 1000), unit: "payments/s" },
	];
}
