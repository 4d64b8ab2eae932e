// Fixed rates, open loop, instant processors: what the relay takes of time and CPU, beside other servers in the same run.
//
// Rounds go through all rates, and at each rate through all servers, so that whatever else the machine does meets them
// alike. Medians over the rounds are told: a single timing on a shared machine says little.
import { randomBytes } from "node:crypto";
import { variedAmounts } from "../amounts.ts";
import { arrivals } from "../arrivals.ts";
import { createDriver } from "../driver.ts";
import { createIds } from "../ids.ts";
import { openLoop } from "../loads.ts";
import { createMeter, failures, type Latency } from "../meter.ts";
import { createOutcomes } from "../outcomes.ts";
import { isRelays } from "../processes.ts";
import { createRandom } from "../random.ts";
import { columns } from "../report.ts";
import type { Figure } from "../results.ts";
import type { Rivals } from "../rivals.ts";
import { type RunResult, run } from "../run.ts";
import type { Bench, Scenario } from "../scenario.ts";
import { violationsOf } from "../scenario.ts";
import { type Throttling, throttlingSince } from "../throttling.ts";
import { calm } from "../timetable.ts";

export interface BudgetOptions {
	/** Payments/s. */
	readonly rates: readonly number[];
	readonly seconds: number;
	readonly warmUpS: number;
	readonly rounds: number;
	readonly beside: Rivals;
}

interface Step {
	readonly server: string;
	readonly rate: number;
	readonly latency: Latency;
	readonly failed: number;
	readonly lateP99Ms: number;
	/** CPU by service, µs a payment. */
	readonly cpuUs: ReadonlyMap<string, number>;
	readonly throttling: ReadonlyMap<string, Throttling>;
}

const relayName = "relay";

export const budget: Scenario<BudgetOptions> = async (bench, { rates, seconds, warmUpS, rounds, beside }) => {
	const { seed, connections, spacing } = bench.options;
	const forMs = (seconds + warmUpS) * 1000;
	const runs: RunResult[] = [];
	const steps: Step[] = [];
	for (let round = 1; round <= rounds; round++) {
		for (const rate of rates) {
			const times = arrivals(rate, forMs, spacing, createRandom(seed + rate + round));
			const load = openLoop(times, connections, warmUpS * 1000);
			for (const [server, { url }] of Object.entries(beside)) {
				steps.push(await stepOf(bench, server, url, rate, load));
				tell(bench, steps.at(-1)!);
			}
			const before = await bench.target.throttled();
			const result = await run(
				bench.target,
				{
					name: `${rate}/s, round ${round}`,
					forMs,
					load,
					amounts: variedAmounts(seed),
					timetable: calm,
					audits: undefined,
					summariesPerSecond: 0,
					timeoutMs: bench.options.timeoutMs,
					drainMaxMs: bench.options.drainS * 1000,
				},
				bench.out,
				bench.signal,
			);
			bench.signal.throwIfAborted();
			runs.push(result);
			const relays = result.services.filter(({ name }) => isRelays(name));
			steps.push({
				server: relayName,
				rate,
				latency: result.latency,
				failed: failures(result.counts),
				lateP99Ms: result.lateness.p99,
				cpuUs: new Map(relays.map(({ name, cpuMs }) => [name, (cpuMs * 1000) / Math.max(result.counts.accepted, 1)])),
				throttling: throttlingSince(await bench.target.throttled(), before),
			});
			tell(bench, steps.at(-1)!);
		}
	}
	bench.out.write(`\n${summaryOf(steps).join("\n")}\n\n${servicesOf(steps).join("\n")}\n`);
	return { scenario: "budget", runs, violations: violationsOf(runs), figures: figuresOf(steps) };
};

/** Of a server of which nothing is known but that it takes payments. */
async function stepOf(
	{ options, signal }: Bench,
	server: string,
	url: string,
	rate: number,
	load: ReturnType<typeof openLoop>,
): Promise<Step> {
	const meter = createMeter();
	const ids = createIds(randomBytes(16));
	const amounts = variedAmounts(options.seed);
	const driver = createDriver({ url, timeoutMs: options.timeoutMs, ids, amounts, outcomes: createOutcomes(), meter });
	try {
		await load(driver, signal);
		await driver.idle();
	} finally {
		await driver.close();
	}
	signal.throwIfAborted();
	return {
		server,
		rate,
		latency: meter.latency(),
		failed: failures(meter.counts()),
		lateP99Ms: meter.lateness().p99,
		cpuUs: new Map(),
		throttling: new Map(),
	};
}

function tell({ out }: Bench, { server, rate, latency: { p50, p99, max }, failed }: Step): void {
	const text = `${rate}/s ${server}: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, max ${max.toFixed(1)} ms`;
	out.write(`${text}${failed > 0 ? `, ${failed} failed` : ""}\n`);
}

function summaryOf(steps: readonly Step[]): string[] {
	const head = ["payments/s", "server", "p50 ms", "p99 ms", "p99 least", "p99 most", "failed", "sent late p99 ms"];
	const lines = groups(steps).map((group) => {
		const p99s = group.map(({ latency }) => latency.p99);
		return [
			String(group[0]!.rate),
			group[0]!.server,
			...[median(group.map(({ latency }) => latency.p50)), median(p99s), Math.min(...p99s), Math.max(...p99s)].map(
				(ms) => ms.toFixed(2),
			),
			String(group.reduce((sum, { failed }) => sum + failed, 0)),
			median(group.map(({ lateP99Ms }) => lateP99Ms)).toFixed(2),
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
		const costs = names.map((name) => median(group.map(({ cpuUs }) => cpuUs.get(name) ?? 0)));
		return [
			String(group[0]!.rate),
			...costs.map((us) => us.toFixed(0)),
			costs.reduce((sum, us) => sum + us, 0).toFixed(0),
			names.map((name) => `${name} ${heldUp(group, name).toFixed(0)}`).join(", "),
		];
	});
	return columns([head, ...lines]);
}

/** Periods are of 0.1 s each. */
function heldUp(group: readonly Step[], name: string): number {
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
		const total = ({ cpuUs }: Step): number => [...cpuUs.values()].reduce((sum, us) => sum + us, 0);
		const round = (value: number): number => Math.round(value * 100) / 100;
		return [
			{
				name: `${server} at ${rate}/s, p50`,
				value: round(median(group.map(({ latency }) => latency.p50))),
				unit: "ms",
			},
			{
				name: `${server} at ${rate}/s, p99`,
				value: round(median(group.map(({ latency }) => latency.p99))),
				unit: "ms",
			},
			...(server === relayName
				? [{ name: `${server} at ${rate}/s, CPU`, value: round(median(group.map(total))), unit: "µs/payment" }]
				: []),
		];
	});
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

export function median(values: readonly number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	const middle = sorted.length >> 1;
	if (sorted.length % 2 === 1) return sorted[middle]!;
	return sorted.length === 0 ? 0 : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
