// Rising rates, open loop, instant processors: the most payments a second that are accepted within a p99.
import { variedAmounts } from "../amounts.ts";
import { arrivals } from "../arrivals.ts";
import { openLoop } from "../loads.ts";
import { createRandom } from "../random.ts";
import { columns } from "../report.ts";
import { bore, type RunResult } from "../run.ts";
import { runAndReport, type Scenario, violationsOf } from "../scenario.ts";
import { tellNumber } from "../tell-number.ts";
import { calm } from "../timetable.ts";

export interface LadderOptions {
	/** Payments/s, rising. */
	readonly rates: readonly number[];
	readonly seconds: number;
	readonly warmUpS: number;
	readonly p99MaxMs: number;
	/** Between the last rate that was borne and the first that was not, so many more are tried. */
	readonly refinements: number;
}

const finestStep = 50;

export const ladder: Scenario<LadderOptions> = async (bench, options) => {
	const { rates, seconds, warmUpS, p99MaxMs, refinements } = options;
	const { seed, connections, spacing } = bench.options;
	const runs: RunResult[] = [];
	const lines: string[][] = [
		[
			"payments/s",
			"accepted/s",
			"p50 ms",
			"p99 ms",
			"p99.9 ms",
			"max ms",
			"sent late p99 ms",
			"CPU µs/payment",
			"borne",
		],
	];

	async function bears(rate: number): Promise<boolean> {
		const forMs = (seconds + warmUpS) * 1000;
		const result = await runAndReport(bench, {
			name: `ladder ${rate}/s`,
			forMs,
			load: openLoop(arrivals(rate, forMs, spacing, createRandom(seed + rate)), connections, warmUpS * 1000),
			amounts: variedAmounts(seed),
			timetable: calm,
			audited: false,
		});
		runs.push(result);
		const borne = bore(result, p99MaxMs);
		const { p50, p99, p999, max } = result.latency;
		lines.push([
			String(rate),
			(result.counts.accepted / (result.loadMs / 1000)).toFixed(0),
			...[p50, p99, p999, max, result.lateness.p99].map((ms) => tellNumber(ms)),
			tellNumber(result.cpuUsPerPayment, 0),
			borne ? "yes" : "no",
		]);
		return borne;
	}

	let best = 0;
	let tooMuch: number | undefined;
	for (const rate of rates) {
		if (await bears(rate)) best = rate;
		else {
			tooMuch = rate;
			break;
		}
	}
	for (let i = 0; i < refinements && tooMuch !== undefined; i++) {
		const between = Math.round((best + tooMuch) / 2 / finestStep) * finestStep;
		if (between <= best || between >= tooMuch) break;
		if (await bears(between)) best = between;
		else tooMuch = between;
	}
	bench.out.write(`${columns(lines).join("\n")}\n`);
	return {
		scenario: "ladder",
		runs,
		violations: violationsOf(runs),
		figures: [{ name: `most accepted at p99 ≤ ${p99MaxMs} ms`, value: best, unit: "payments/s" }],
	};
};
