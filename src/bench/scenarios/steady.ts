// A steady rate with instant processors, open loop.
import { variedAmounts } from "../amounts.ts";
import { arrivals } from "../arrivals.ts";
import { openLoop } from "../loads.ts";
import { worst } from "../median.ts";
import { createRandom } from "../random.ts";
import { reportRuns } from "../report.ts";
import { type Figure, figure } from "../results.ts";
import type { RunResult } from "../run.ts";
import { runAndReport, type Scenario, violationsOf } from "../scenario.ts";
import { calm } from "../timetable.ts";

export interface SteadyOptions {
	readonly rate: number;
	readonly seconds: number;
	/** At the same rate, before what is measured. */
	readonly warmUpS: number;
	readonly summariesPerSecond: number;
}

export const steady: Scenario<SteadyOptions> = async (bench, options) => {
	const { rate, warmUpS, summariesPerSecond } = options;
	const forMs = (options.seconds + warmUpS) * 1000;
	const { seed, connections, spacing } = bench.options;
	const runs: RunResult[] = [];
	for (let i = 1; i <= bench.options.runs; i++) {
		const times = arrivals(rate, forMs, spacing, createRandom(seed + i));
		runs.push(
			await runAndReport(bench, {
				name: `steady ${rate}/s`,
				forMs,
				load: openLoop(times, connections, warmUpS * 1000),
				amounts: variedAmounts(seed),
				timetable: calm,
				summariesPerSecond,
			}),
		);
	}
	if (runs.length > 1) bench.out.write(reportRuns(runs));
	const of = (name: string, ms: (one: RunResult) => number | undefined): Figure =>
		figure(`${name}, worst run`, worst(runs.map(ms)), "ms", 3);
	return {
		scenario: "steady",
		runs,
		violations: violationsOf(runs),
		figures: [
			{ name: "rate", value: rate, unit: "payments/s" },
			of("p50", ({ latency }) => latency.p50),
			of("p99", ({ latency }) => latency.p99),
			of("p99.9", ({ latency }) => latency.p999),
		],
	};
};
