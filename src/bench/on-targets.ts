// Runs a scenario on what it is to measure: the relay, and other servers before it or in turn with it.
import { join } from "node:path";
import { type BesideOption, type LoadCliOptions, loadDefaults, type TargetCliOptions } from "./cli-options.ts";
import { statusOf } from "./exit-status.ts";
import type { Terminal } from "./live.ts";
import type { ScenarioResult } from "./results.ts";
import { compare, type Rival } from "./rivals.ts";
import type { Bench } from "./scenario.ts";
import { openTarget, type Target, type TargetOptions } from "./target.ts";

type Measure = (bench: Bench) => Promise<ScenarioResult>;
export type Given = TargetCliOptions & Partial<LoadCliOptions> & BesideOption;

/** On each of the other servers first, and then on the relay. */
export async function runScenario(name: string, run: Measure, given: Given, out: Terminal, signal: AbortSignal) {
	const runOn = (what: TargetOptions): Promise<ScenarioResult> =>
		withTargets([what], signal, ([target]) => run({ ...benchOf(given, out, signal), target: target!, rivals: {} }));
	return statusOf(name, given, out, async (folder) => {
		const rivals: Record<string, ScenarioResult> = {};
		for (const [rival, at] of Object.entries(given.beside)) {
			out.write(`\n${rival}:\n`);
			try {
				rivals[rival] = await runOn(rivalOptions(given, at, join(folder, `${rival}.log`)));
			} catch (error) {
				signal.throwIfAborted();
				out.write(`${rival} did not come through: ${(error as Error).message}\n`);
			}
		}
		const compared = Object.keys(rivals).length > 0;
		if (compared) out.write("\nthe relay:\n");
		const result = await runOn({ ...given, logPath: join(folder, "relay.log") });
		if (compared) out.write(`\n${compare(result, rivals).join("\n")}\n\n`);
		return { ...result, rivals };
	});
}

/** The relay and the other servers at once, for the scenario to take them in turn. */
export async function runInTurn(name: string, run: Measure, given: Given, out: Terminal, signal: AbortSignal) {
	return statusOf(name, given, out, (folder) => {
		const names = Object.keys(given.beside);
		const others = names.map((rival) => rivalOptions(given, given.beside[rival]!, join(folder, `${rival}.log`)));
		return withTargets([{ ...given, logPath: join(folder, "relay.log") }, ...others], signal, ([target, ...opened]) => {
			const rivals = Object.fromEntries(names.map((rival, i) => [rival, opened[i]!]));
			return run({ ...benchOf(given, out, signal), target: target!, rivals });
		});
	});
}

async function withTargets<T>(
	all: readonly TargetOptions[],
	signal: AbortSignal,
	use: (targets: readonly Target[]) => Promise<T>,
): Promise<T> {
	const targets: Target[] = [];
	try {
		for (const one of all) targets.push(await openTarget(one, signal));
		return await use(targets);
	} finally {
		for (const target of targets) await target.close();
	}
}

/** Nothing that is the relay's goes to another server. */
function rivalOptions(given: TargetCliOptions, rival: Rival, logPath: string): TargetOptions {
	const none = {
		limit: undefined,
		pid: undefined,
		adminKey: undefined,
		defaultUrl: undefined,
		fallbackUrl: undefined,
	};
	return { ...given, ...none, ...rival, purgeMayFail: true, logPath };
}

function benchOf(given: Given, out: Terminal, signal: AbortSignal): Omit<Bench, "target" | "rivals"> {
	const load = { ...loadDefaults, ...given };
	const options = {
		...load,
		timeoutMs: load.timeout,
		drainS: load.drainSeconds,
		auditGraceMs: load.auditGrace,
		auditEveryS: load.auditEvery,
	};
	return { options, out, signal };
}
