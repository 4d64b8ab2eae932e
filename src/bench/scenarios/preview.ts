// The public challenge's preview run: 60 s, users from 1 to 550, its timetable, its auditor, its score.
import { publicAmountCents, sameAmount } from "../amounts.ts";
import { rampingUsers } from "../loads.ts";
import { reportRuns } from "../report.ts";
import type { RunResult } from "../run.ts";
import { runAndReport, type Scenario, violationsOf } from "../scenario.ts";
import { previewTimetable, scaleTimetable } from "../timetable.ts";

export interface PreviewOptions {
	readonly seconds: number;
	readonly users: number;
}

export const previewSeconds = 60;
export const previewUsers = 550;
const pauseMs = 1_000;

export const preview: Scenario<PreviewOptions> = async (bench, { seconds, users }) => {
	const forMs = seconds * 1000;
	const runs: RunResult[] = [];
	for (let i = 1; i <= bench.options.runs; i++)
		runs.push(
			await runAndReport(bench, {
				name: bench.options.runs === 1 ? "preview" : `preview ${i}`,
				forMs,
				load: rampingUsers(1, users, forMs, pauseMs),
				amounts: sameAmount(publicAmountCents),
				timetable: scaleTimetable(previewTimetable, previewSeconds * 1000, forMs),
			}),
		);
	if (runs.length > 1) bench.out.write(reportRuns(runs));
	return {
		scenario: "preview",
		runs,
		violations: violationsOf(runs),
		figures: [
			{ name: "p99, worst run", value: Math.max(...runs.map(({ latency }) => latency.p99)), unit: "ms" },
			{ name: "score, worst run", value: Math.min(...runs.map(({ score }) => Number(score.score))), unit: "" },
		],
	};
};
