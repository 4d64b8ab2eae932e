// A relay with a long past: the same measurements on data folders with few and with very many payments in them.
//
// The simulated processors know nothing of the past, so two accounts are kept. Windows in the past are compared with what
// was written there. What is posted during the run is looked up by id: at the processors where they take part, at the
// relay where they are out of reach so that the payments that wait go on waiting.
import { cpSync, existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tellMemory, tellSize } from "../aged/footprint.ts";
import { killInTurn } from "../aged/kills.ts";
import { askPast } from "../aged/past.ts";
import type { Running, State } from "../aged/state.ts";
import { postInRounds, type StretchOptions } from "../aged/stretches.ts";
import { freePorts } from "../free-ports.ts";
import type { Terminal } from "../live.ts";
import { type Prefill, prefill } from "../prefill.ts";
import { createRandom } from "../random.ts";
import { columns } from "../report.ts";
import type { ScenarioResult } from "../results.ts";
import { openTarget, type TargetOptions } from "../target.ts";

export interface AgedOptions extends StretchOptions {
	/** Of the folders that are compared, settled payments in each. */
	readonly settled: readonly number[];
	/** Payments that wait, in a copy of the largest of them; 0: no such copy. */
	readonly waiting: number;
	/** Where prepared data folders are kept for the next time; absent: nothing is kept. */
	readonly folder: string | undefined;
	readonly queries: number;
	readonly kills: number;
}

export async function aged(
	options: AgedOptions,
	targetOptions: TargetOptions,
	out: Terminal,
	signal: AbortSignal,
): Promise<ScenarioResult> {
	const { settled, waiting, seed, folder } = options;
	const root = folder ?? (await mkdtemp(join(tmpdir(), "payrelay-aged-")));
	const tell = (text: string): void => void out.write(`${text}\n`);
	const states: State[] = [];
	async function measure(past: Prefill, at: string): Promise<void> {
		signal.throwIfAborted();
		await mkdir(at, { recursive: true });
		await prefill(at, past, tell);
		const name = `${past.settled} settled${past.waiting > 0 ? `, ${past.waiting} waiting` : ""}`;
		const state: State = { name, past, folder: at, figures: [], violations: [] };
		const away = past.waiting > 0 ? await outOfReach() : {};
		const env = { ...targetOptions.env, DATA_DIR: at };
		const target = await openTarget({ ...targetOptions, ...away, env }, signal);
		try {
			await measureAll({ target, state, random: createRandom(seed), tell, signal }, options);
		} finally {
			await target.close();
		}
		states.push(state);
	}
	try {
		for (const count of settled) await measure({ seed, settled: count, waiting: 0 }, join(root, `settled-${count}`));
		if (waiting > 0) {
			const count = Math.max(...settled);
			const at = join(root, `settled-${count}-waiting-${waiting}`);
			if (!existsSync(at)) cpSync(join(root, `settled-${count}`), at, { recursive: true });
			await measure({ seed, settled: count, waiting }, at);
		}
	} finally {
		if (folder === undefined) await rm(root, { recursive: true, force: true });
	}
	const names = [...new Set(states.flatMap(({ figures }) => figures.map(({ name, unit }) => `${name}, ${unit}`)))];
	const lines = names.map((name) => [
		name,
		...states.map(({ figures }) => String(figures.find((one) => `${one.name}, ${one.unit}` === name)?.value ?? "-")),
	]);
	tell(`\n${columns([["", ...states.map(({ name }) => name)], ...lines]).join("\n")}\n`);
	return {
		scenario: "aged",
		runs: [],
		violations: states.flatMap(({ name, violations }) => violations.map((what) => `${name}: ${what}`)),
		figures: states.flatMap(({ name: state, figures }) =>
			figures.map(({ name, value, unit }) => ({ name: `${state}: ${name}`, value, unit })),
		),
	};
}

async function measureAll(running: Running, options: AgedOptions): Promise<void> {
	await tellSize(running);
	await askPast(running, options.queries);
	await postInRounds(running, options);
	await tellMemory(running);
	await killInTurn(running, options.kills);
}

/** Nobody listens there: each charge is refused, which proves that nothing was charged, and all goes on waiting. */
async function outOfReach(): Promise<Pick<TargetOptions, "defaultUrl" | "fallbackUrl">> {
	const [a, b] = await freePorts(2);
	return { defaultUrl: `http://127.0.0.1:${a}`, fallbackUrl: `http://127.0.0.1:${b}` };
}
