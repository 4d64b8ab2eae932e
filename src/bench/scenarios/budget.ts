// Fixed rates, open loop, instant processors: what the relay takes of time and CPU, beside other servers in the same run.
//
// Rounds go through all rates, and at each rate through all servers, forth and back from round to round, so that whatever
// else the machine does meets them alike. Each turn is a run of its own: it begins with everything empty, and the next one
// waits until what it has left is settled. Medians over the rounds are told: a single timing on a shared machine says
// little.
import { variedAmounts } from "../amounts.ts";
import { arrivals } from "../arrivals.ts";
import { openLoop } from "../loads.ts";
import { best, median, worst } from "../median.ts";
import { failures } from "../meter.ts";
import { isRelays } from "../processes.ts";
import { createRandom } from "../random.ts";
import { columns } from "../report.ts";
import { type Figure, figure, type ScenarioResult } from "../results.ts";
import { relayName } from "../rivals.ts";
import { type RunResult, run } from "../run.ts";
import { type Bench, type Scenario, violationsOf } from "../scenario.ts";
import type { Target } from "../target.ts";
import { tellNumber } from "../tell-number.ts";
import { type Throttling, throttlingSince } from "../throttling.ts";
import { calm } from "../timetable.ts";

export interface BudgetOptions {
	/** Payments/s. */
	readonly rates: readonly number[];
	readonly seconds: number;
	readonly warmUpS: number;
	readonly rounds: number;
}

interface Step {
	readonly server: string;
	readonly rate: number;
	readonly result: RunResult;
	/** CPU by service, µs a payment. */
	readonly cpuUs: ReadonlyMap<string, number>;
	readonly throttling: ReadonlyMap<string, Throttling>;
}

export const budget: Scenario<BudgetOptions> = async (bench, options) => {
	const servers = new Map([[relayName, bench.target], ...Object.entries(bench.rivals)]);
	const steps: Step[] = [];
	for (let round = 1; round <= options.rounds; round++) {
		for (const rate of options.rates) {
			const order = round % 2 === 1 ? [...servers] : [...servers].reverse();
			for (const [server, target] of order) {
				try {
					steps.push(await stepOf(bench, options, server, target, rate, round));
					tell(bench, steps.at(-1)!);
				} catch (error) {
					bench.signal.throwIfAborted();
					if (target === bench.target) throw error;
					// Medians of fewer rounds would flatter it.
					servers.delete(server);
					bench.out.write(`${server} did not come through, and is left out: ${(error as Error).message}\n`);
				}
			}
		}
	}
	const whole = steps.filter(({ server }) => servers.has(server));
	bench.out.write(`\n${summaryOf(whole).join("\n")}\n\n${servicesOf(whole).join("\n")}\n`);
	const resultOf = (name: string): ScenarioResult => {
		const own = whole.filter(({ server }) => server === name);
		const runs = own.map(({ result }) => result);
		return { scenario: "budget", runs, violations: violationsOf(runs), figures: figuresOf(own) };
	};
	const rivals = [...servers.keys()].filter((name) => name !== relayName);
	return {
		...resultOf(relayName),
		figures: figuresOf(whole),
		rivals: Object.fromEntries(rivals.map((name) => [name, resultOf(name)])),
	};
};

async function stepOf(
	{ options, out, signal }: Bench,
	{ seconds, warmUpS }: BudgetOptions,
	server: string,
	target: Target,
	rate: number,
	round: number,
): Promise<Step> {
	const forMs = (seconds + warmUpS) * 1000;
	const times = arrivals(rate, forMs, options.spacing, createRandom(options.seed + rate + round));
	const before = await target.throttled();
	const result = await run(
		target,
		{
			name: `${server} at ${rate}/s, round ${round}`,
			forMs,
			load: openLoop(times, options.connections, warmUpS * 1000),
			amounts: variedAmounts(options.seed),
			timetable: calm,
			audits: undefined,
			summariesPerSecond: 0,
			timeoutMs: options.timeoutMs,
			drainMaxMs: options.drainS * 1000,
		},
		out,
		signal,
	);
	signal.throwIfAborted();
	const { accepted } = result.counts;
	const relays = result.services.filter(({ name }) => isRelays(name));
	return {
		server,
		rate,
		result,
		cpuUs: new Map(accepted === 0 ? [] : relays.map(({ name, cpuMs }) => [name, (cpuMs * 1000) / accepted])),
		throttling: throttlingSince(await target.throttled(), before),
	};
}

function tell({ out }: Bench, { server, rate, result }: Step): void {
	const { p50, p99, max } = result.latency;
	const failed = failures(result.counts);
	const text = `${rate}/s ${server}: p50 ${tellNumber(p50)} ms, p99 ${tellNumber(p99)} ms, max ${tellNumber(max, 1)} ms`;
	const broken = result.violations.map((what) => `  ${what}\n`).join("");
	out.write(`${text}${failed > 0 ? `, ${failed} failed` : ""}\n${broken}`);
}

function summaryOf(steps: readonly Step[]): string[] {
	const head = [
		"payments/s",
		"server",
		"p50 ms",
		"p99 ms",
		"p99 least",
		"p99 most",
		"failed",
		"broken",
		"sent late p99 ms",
	];
	const lines = groups(steps).map((group) => {
		const p99s = group.map(({ result }) => result.latency.p99);
		return [
			String(group[0]!.rate),
			group[0]!.server,
			...[median(group.map(({ result }) => result.latency.p50)), median(p99s), best(p99s), worst(p99s)].map((ms) =>
				tellNumber(ms),
			),
			String(failedOf(group)),
			String(group.reduce((sum, { result }) => sum + result.violations.length, 0)),
			tellNumber(median(group.map(({ result }) => result.lateness.p99))),
		];
	});
	return columns([head, ...lines]);
}

/** CPU and throttling of the relay, service by service. */
function servicesOf(steps: readonly Step[]): string[] {
	const own = groups(steps.filter(({ server }) => server === relayName));
	const names = [...new Set(own.flat().flatMap(({ cpuUs }) => [...cpuUs.keys()]))];
	const head = ["payments/s", ...names.map((name) => `${name} µs`), "in all µs", "held up, ms in 1 s"];
	const lines = own.map((group) => {
		const costs = names.map((name) => median(group.map(({ cpuUs }) => cpuUs.get(name))));
		return [
			String(group[0]!.rate),
			...costs.map((us) => tellNumber(us, 0)),
			tellNumber(median(group.map(({ result }) => result.cpuUsPerPayment)), 0),
			names.map((name) => `${name} ${tellNumber(heldUp(group, name), 0)}`).join(", "),
		];
	});
	return columns([head, ...lines]);
}

/** Periods are of 0.1 s each. */
function heldUp(group: readonly Step[], name: string): number | undefined {
	return median(
		group.map(({ throttling }) => {
			const { periods, throttledMs } = throttling.get(name) ?? { periods: 0, throttledMs: 0 };
			return periods === 0 ? 0 : (throttledMs / periods) * 10;
		}),
	);
}

function figuresOf(steps: readonly Step[]): Figure[] {
	return groups(steps).flatMap((group) => {
		const { server, rate } = group[0]!;
		const of = (what: string, value: number | undefined, unit: string): Figure =>
			figure(`${server} at ${rate}/s, ${what}`, value, unit, 2);
		return [
			of("p50", median(group.map(({ result }) => result.latency.p50)), "ms"),
			of("p99", median(group.map(({ result }) => result.latency.p99)), "ms"),
			of("failed", failedOf(group), "posts"),
			...(server === relayName
				? [of("CPU", median(group.map(({ result }) => result.cpuUsPerPayment)), "µs/payment")]
				: []),
		];
	});
}

/** In all rounds. */
function failedOf(group: readonly Step[]): number {
	return group.reduce((sum, { result }) => sum + failures(result.counts), 0);
}

/** The rounds of each rate and server, in the order in which they came first. */
function groups(steps: readonly Step[]): Step[][] {
	const found = new Map<string, Step[]>();
	for (const step of steps) {
		const key = `${step.rate} ${step.server}`;
		found.set(key, [...(found.get(key) ?? []), step]);
	}
	return [...found.values()].sort((a, b) => a[0]!.rate - b[0]!.rate);
}
