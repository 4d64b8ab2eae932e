// Where a bench's results go: a folder a bench, with machine-readable figures and a chart of each run.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatCents } from "../payment/amount.ts";
import { onDeno } from "../runtime.ts";
import { drawRun } from "./chart.ts";
import type { RunResult } from "./run.ts";

/** One figure of a scenario as a whole. */
export interface Figure {
	readonly name: string;
	/** `null` where there was nothing to measure, which is not 0. */
	readonly value: number | string | null;
	readonly unit: string;
}

export interface ScenarioResult {
	readonly scenario: string;
	readonly figures: readonly Figure[];
	readonly runs: readonly RunResult[];
	/** Broken promises of all runs, in words. */
	readonly violations: readonly string[];
	/** What other servers did in the same scenario, by their names. */
	readonly rivals?: Readonly<Record<string, ScenarioResult>>;
}

export function figure(name: string, value: number | undefined, unit: string, decimals: number): Figure {
	return { name, value: value === undefined ? null : Number(value.toFixed(decimals)), unit };
}

/** A folder that nobody else has, also where several benches begin in the same millisecond. */
export async function makeFolder(out: string, scenario: string, now: Date): Promise<string> {
	await mkdir(out, { recursive: true });
	const name = join(out, `${scenario}-${now.toISOString().replace(/[:.]/g, "-")}`);
	for (let n = 1; ; n++) {
		const folder = n === 1 ? name : `${name}-${n}`;
		try {
			await mkdir(folder);
			return folder;
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
		}
	}
}

export async function writeResults(folder: string, result: ScenarioResult, setting: unknown): Promise<void> {
	const machine = { ...describeMachine(), setting };
	await writeFile(join(folder, "result.json"), toJson({ ...result, machine }));
	await Promise.all(
		result.runs.map((one, i) =>
			writeFile(join(folder, result.runs.length === 1 ? "chart.svg" : `chart-${i + 1}.svg`), drawRun(one)),
		),
	);
}

/** Amounts in cents become decimal text, so that no reader loses a digit. */
export function toJson(value: unknown): string {
	return `${JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? formatCents(item) : item), "\t")}\n`;
}

function describeMachine(): object {
	const runtime = onDeno ? "deno" : "node";
	return { runtime, version: process.version, platform: process.platform, arch: process.arch };
}
