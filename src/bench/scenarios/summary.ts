// How long a summary takes at so many settled payments, over random windows.
import { variedAmounts } from "../amounts.ts";
import { asFastAsAccepted, type Load } from "../loads.ts";
import { createLatencies, type Latency } from "../meter.ts";
import { createRandom } from "../random.ts";
import { table, tellLatency } from "../report.ts";
import { figure } from "../results.ts";
import type { RunResult } from "../run.ts";
import { type Bench, runAndReport, type Scenario, violationsOf } from "../scenario.ts";
import { waitUntilDrained } from "../settling.ts";
import { calm } from "../timetable.ts";
import { windowOf } from "../window.ts";

export interface SummaryOptions {
	/** Settled payments, one run each. */
	readonly counts: readonly number[];
	/** Summaries asked at each of these. */
	readonly queries: number;
}

const expectedPerSecond = 3_000;
/** A relay that settles more slowly is not waited for. */
const slowestPerSecond = 200;
const warmUpQueries = 100;

export const summary: Scenario<SummaryOptions> = async (bench, { counts, queries }) => {
	const { options } = bench;
	const runs: RunResult[] = [];
	const found: { count: number; latency: Latency }[] = [];
	for (const count of counts) {
		const fill = asFastAsAccepted(count, options.connections);
		const load: Load = async (driver, signal) => {
			const startedMs = Date.now();
			await fill(driver, signal);
			await waitUntilDrained(bench.target, count, 0, (count / slowestPerSecond + options.drainS) * 1000, signal);
			found.push({ count, latency: await ask(bench, queries, startedMs) });
		};
		runs.push(
			await runAndReport(bench, {
				name: `summary at ${count}`,
				forMs: (count / expectedPerSecond) * 1000,
				load,
				amounts: variedAmounts(options.seed),
				timetable: calm,
				audited: false,
			}),
		);
	}
	bench.out.write(
		`${table(found.map(({ count, latency }) => ({ label: `summary at ${count} settled`, value: tellLatency(latency) }))).join("\n")}\n`,
	);
	return {
		scenario: "summary",
		runs,
		violations: violationsOf(runs),
		figures: found.flatMap(({ count, latency }) => [
			figure(`summary p50 at ${count} settled`, latency.p50, "ms", 3),
			figure(`summary p99 at ${count} settled`, latency.p99, "ms", 3),
		]),
	};
};

/** One after the other, so that each is measured alone. */
async function ask({ target, options }: Bench, queries: number, fromMs: number): Promise<Latency> {
	const random = createRandom(options.seed);
	const latencies = createLatencies();
	const spanMs = Date.now() - fromMs;
	for (let i = -warmUpQueries; i < queries; i++) {
		const [a, b] = [fromMs + random() * spanMs, fromMs + random() * spanMs];
		const askedMs = performance.now();
		await target.relay.books(windowOf(Math.min(a, b), Math.max(a, b)));
		if (i >= 0) latencies.record(performance.now() - askedMs);
	}
	return latencies.read();
}
