// Random timetables of delays and failures of both processors, one a seed, audited all along.
import { variedAmounts } from "../amounts.ts";
import { arrivals } from "../arrivals.ts";
import { differencesOf } from "../audit.ts";
import { openLoop } from "../loads.ts";
import { createRandom } from "../random.ts";
import { randomTimetable } from "../random-timetable.ts";
import { columns } from "../report.ts";
import type { RunResult } from "../run.ts";
import { runAndReport, type Scenario, violationsOf } from "../scenario.ts";
import { tellNumber } from "../tell-number.ts";

export interface TimetableOptions {
	readonly rate: number;
	readonly seconds: number;
	/** So many seeds in a row, from the common one on. */
	readonly count: number;
}

export const timetable: Scenario<TimetableOptions> = async (bench, { rate, seconds, count }) => {
	const { seed, connections, spacing } = bench.options;
	const forMs = seconds * 1000;
	const runs: RunResult[] = [];
	const head = [
		"seed",
		"kind",
		"accepted",
		"p99 ms",
		"unpaid at end",
		"drained ms",
		"differences",
		"disagreed",
		"net",
		"broken",
	];
	const lines: string[][] = [head];
	for (let one = seed; one < seed + count; one++) {
		const { character, timetable } = randomTimetable(one, forMs);
		const result = await runAndReport(bench, {
			name: `timetable ${one} (${character})`,
			forMs,
			load: openLoop(arrivals(rate, forMs, spacing, createRandom(one)), connections, 0),
			amounts: variedAmounts(one),
			timetable,
		});
		runs.push(result);
		lines.push([
			String(one),
			character,
			String(result.counts.accepted),
			tellNumber(result.latency.p99),
			String(result.unpaidAtEnd),
			result.drained ? result.drainMs.toFixed(0) : "never",
			String(differencesOf(result.audits)),
			String(result.audits.filter(({ violations }) => violations.length > 0).length),
			result.score.net,
			String(result.violations.length),
		]);
	}
	bench.out.write(`${columns(lines).join("\n")}\n`);
	const good = runs.filter(({ violations }) => violations.length === 0).length;
	return {
		scenario: "timetable",
		runs,
		violations: violationsOf(runs),
		figures: [{ name: "timetables with every promise kept", value: `${good} of ${count}`, unit: "" }],
	};
};
