// The public challenge's preview run: 60 s, users from 1 to 550, its timetable, its auditor, its score.
import { publicAmountCents, sameAmount } from "../amounts.ts";
import { differencesOf } from "../audit.ts";
import { rampingUsers } from "../loads.ts";
import { worst } from "../median.ts";
import { failures } from "../meter.ts";
import { reportRuns, worstCommits } from "../report.ts";
import { type Figure, figure } from "../results.ts";
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
		figures: figuresOf(runs),
	};
};

/** Of the worst run, where there are several. */
function figuresOf(runs: readonly RunResult[]): Figure[] {
	const most = (name: string, unit: string, of: (run: RunResult) => number | undefined): Figure =>
		figure(name, worst(runs.map(of)), unit, 3);
	const told = runs.every(({ commits }) => commits.length > 0);
	const used = runs.every(({ cpuUsPerPayment }) => cpuUsPerPayment !== undefined);
	return [
		most("p50 of payments", "ms", ({ latency }) => latency.p50),
		most("p99 of payments", "ms", ({ latency }) => latency.p99),
		most("p99 of all requests", "ms", ({ httpLatency }) => httpLatency.p99),
		{ name: "score", value: Math.min(...runs.map(({ score }) => Number(score.score))), unit: "" },
		most("failed", "requests", ({ counts }) => failures(counts)),
		most("unpaid when the load ended", "payments", ({ unpaidAtEnd }) => unpaidAtEnd),
		most("differences by audits", "payments", ({ audits }) => (audits.length > 0 ? differencesOf(audits) : undefined)),
		...(told ? [most("answer to commit, p50 at most", "ms", (run) => worstCommits(run).p50)] : []),
		...(told ? [most("answer to commit, p99 at most", "ms", (run) => worstCommits(run).p99)] : []),
		...(used ? [most("CPU of the relay", "us a payment", ({ cpuUsPerPayment = 0 }) => cpuUsPerPayment)] : []),
	];
}
