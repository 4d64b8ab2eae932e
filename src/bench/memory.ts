// What is charged to services against their memory limits, page cache included, as the kernel counts it by control group.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { controlGroup } from "../control-group.ts";
import { nameOf } from "./processes.ts";

export interface Memory {
	/** All of it, now and at most so far. */
	readonly bytes: number;
	readonly mostBytes: number;
	/** The part that the kernel takes back when it is short: files' pages. */
	readonly fileBytes: number;
}

/** By service, one process of each; several of the same name are told apart by a number. Empty where the system does not tell. */
export async function readMemory(pids: readonly number[]): Promise<ReadonlyMap<string, Memory>> {
	const found = new Map<string, Memory>();
	for (const pid of pids) {
		const read = await readOne(pid);
		if (!read) continue;
		let name = read.name;
		for (let n = 2; found.has(name); n++) name = `${read.name} ${n}`;
		found.set(name, read.memory);
	}
	return found;
}

async function readOne(pid: number): Promise<{ name: string; memory: Memory } | undefined> {
	try {
		const groups = await readFile(`/proc/${pid}/cgroup`, "utf8");
		const name = nameOf(await readFile(`/proc/${pid}/cmdline`, "utf8"));
		const group = controlGroup(groups, "memory");
		if (!group) return undefined;
		const folder = group.folders[0];
		const text = (file: string): Promise<string> => readFile(join(folder, file), "utf8");
		const number = async (file: string): Promise<number> => Number(await text(file));
		const stat = await text("memory.stat");
		const figure = (key: string): number => Number(new RegExp(`^${key} (\\d+)$`, "m").exec(stat)?.[1] ?? 0);
		return {
			name,
			memory:
				group.version === 2
					? {
							bytes: await number("memory.current"),
							mostBytes: await number("memory.peak"),
							fileBytes: figure("file"),
						}
					: {
							bytes: await number("memory.usage_in_bytes"),
							mostBytes: await number("memory.max_usage_in_bytes"),
							fileBytes: figure("cache"),
						},
		};
	} catch {
		// It has ended, or nothing is mounted there.
		return undefined;
	}
}
