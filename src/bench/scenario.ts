// What every scenario is given, and the settings that all share.
import type { Amounts } from "./amounts.ts";
import type { Spacing } from "./arrivals.ts";
import type { AuditPlan } from "./beside.ts";
import type { Terminal } from "./live.ts";
import { reportRun } from "./report.ts";
import type { ScenarioResult } from "./results.ts";
import { type RunPlan, type RunResult, run } from "./run.ts";
import type { Target } from "./target.ts";

export interface CommonOptions {
	readonly seed: number;
	readonly runs: number;
	readonly connections: number;
	readonly timeoutMs: number;
	readonly drainS: number;
	readonly spacing: Spacing;
	readonly auditGraceMs: number;
	readonly auditEveryS: number;
}

export interface Bench {
	readonly target: Target;
	/** Other servers by their names, where the scenario measures them in turn with the target; else empty. */
	readonly rivals: Readonly<Record<string, Target>>;
	readonly options: CommonOptions;
	readonly out: Terminal;
	readonly signal: AbortSignal;
}

export type Scenario<O> = (bench: Bench, options: O) => Promise<ScenarioResult>;

/** The public script's windows: 13.5 s, ended 1.5 s ago. */
function auditPlan({ auditEveryS, auditGraceMs }: CommonOptions): AuditPlan | undefined {
	if (auditEveryS === 0) return undefined;
	return { everyMs: auditEveryS * 1000, lagMs: 1_500, spanMs: 13_500, graceMs: auditGraceMs };
}

/** Fills a plan with what all scenarios share, runs it, and prints its report. */
export async function runAndReport(
	bench: Bench,
	plan: Omit<RunPlan, "timeoutMs" | "drainMaxMs" | "audits" | "summariesPerSecond" | "amounts"> & {
		readonly amounts: Amounts;
		readonly audited?: boolean;
		readonly summariesPerSecond?: number;
	},
): Promise<RunResult> {
	const { target, options, out, signal } = bench;
	const { audited = true, summariesPerSecond = 0, ...rest } = plan;
	const audits = audited ? auditPlan(options) : undefined;
	const { timeoutMs, drainS } = options;
	const result = await run(
		target,
		{ ...rest, timeoutMs, drainMaxMs: drainS * 1000, audits, summariesPerSecond },
		out,
		signal,
	);
	signal.throwIfAborted();
	out.write(`\n${reportRun(result)}\n`);
	return result;
}

export function violationsOf(runs: readonly RunResult[]): string[] {
	return runs.flatMap(({ name, violations }) => violations.map((what) => `${name}: ${what}`));
}
