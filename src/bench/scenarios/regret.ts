// Routing regret: the relay's router, and others, under random timetables in simulated time, beside a bound that knows the
// future. Needs no relay that runs.
import type { Terminal } from "../live.ts";
import { type Comparison, compare } from "../regret/compare.ts";
import type { RelaySettings } from "../regret/relay.ts";
import { figuresOf, judge, tellLosses, tellVerdict } from "../regret/verdict.ts";
import { columns } from "../report.ts";
import type { ScenarioResult } from "../results.ts";

export interface RegretOptions {
	/** The first of the seeds, one a timetable. */
	readonly seed: number;
	readonly count: number;
	readonly drainMs: number;
	/** Instead of the relay's default. */
	readonly patienceMs?: number;
}

const saidEvery = 100;

export async function regret(options: RegretOptions, out: Terminal, signal: AbortSignal): Promise<ScenarioResult> {
	const { seed, count, drainMs, patienceMs } = options;
	const settings: RelaySettings = patienceMs === undefined ? {} : { route: { patienceMs } };
	const cases: Comparison[] = [];
	for (let i = 0; i < count; i++) {
		signal.throwIfAborted();
		cases.push(await compare(seed + i, drainMs, settings));
		if (cases.length % saidEvery === 0) out.write(`${cases.length}/${count} timetables\n`);
	}
	const verdict = judge(cases);
	out.write(`\n${columns(tellLosses(cases)).join("\n")}\n\n${columns(tellVerdict(verdict)).join("\n")}\n\n`);
	return { scenario: "regret", runs: [], figures: figuresOf(verdict), violations: verdict.violations };
}
