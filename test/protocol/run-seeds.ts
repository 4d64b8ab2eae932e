// Runs schedules one seed after the other, and says how to replay the one that failed.
import { type SimulationOptions, simulate } from "./simulation.ts";

export interface Tally {
	readonly schedules: number;
	readonly settled: number;
	/** How many schedules had at least one of each kind of fault. */
	readonly faults: Readonly<Record<string, number>>;
}

export async function runSeeds(from: number, count: number): Promise<Tally> {
	const faults: Record<string, number> = {};
	let settled = 0;
	for (let seed = from; seed < from + count; seed++) {
		const run = await simulate(seed);
		if (run.breach) throw new Error(await report(seed, run.breach));
		settled += run.settled;
		for (const name of Object.keys(run.events)) faults[name] = (faults[name] ?? 0) + 1;
	}
	return { schedules: count, settled, faults };
}

/** The first seed that finds a breach, and what it found; undefined where none does. */
export async function firstBreach(
	count: number,
	options: SimulationOptions,
): Promise<{ seed: number; breach: string } | undefined> {
	for (let seed = 1; seed <= count; seed++) {
		const { breach } = await simulate(seed, options);
		if (breach) return { seed, breach };
	}
	return undefined;
}

/** The breach, the command that replays it, and every event that led there. */
export async function report(seed: number, breach: string): Promise<string> {
	const { trace } = await simulate(seed, { traced: true });
	return [
		breach,
		`replay: PAYRELAY_SEED=${seed} npx vitest run test/protocol/protocol.test.ts`,
		`seed ${seed}, every event:`,
		...trace,
		`>>> ${breach}`,
	].join("\n");
}
