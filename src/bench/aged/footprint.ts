// What a state takes: its database on disk, and the services' memory.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { table } from "../report.ts";
import { addFigure, type Running } from "./state.ts";

const MiB = 2 ** 20;

export async function tellSize({ state }: Running): Promise<void> {
	const { size } = await stat(join(state.folder, "payments.db"));
	addFigure(state, "database", size / MiB, "MiB");
}

export async function tellMemory({ target, state, tell }: Running): Promise<void> {
	const memory = await target.memory();
	if (memory.size === 0) return;
	const all = [...memory];
	const rows = all.map(([name, { bytes, mostBytes, fileBytes }]) => ({
		label: `memory of ${name}`,
		value: `${toMiB(bytes)} MiB, of files ${toMiB(fileBytes)}, at most ${toMiB(mostBytes)}`,
	}));
	tell(`${state.name}:\n${table(rows).join("\n")}`);
	for (const [name, { mostBytes }] of all) addFigure(state, `memory of ${name} at most`, mostBytes / MiB, "MiB");
	const sum = (pick: "bytes" | "mostBytes"): number => all.reduce((total, [, one]) => total + one[pick], 0) / MiB;
	addFigure(state, "memory of all", sum("bytes"), "MiB");
	addFigure(state, "memory of all at most", sum("mostBytes"), "MiB");
}

const toMiB = (bytes: number): string => (bytes / MiB).toFixed(0);
