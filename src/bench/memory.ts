// What is charged to services against their memory limits, page cache included, as the kernel counts it by control group.
import { figureOf, readGroup, type ServiceGroup } from "./service-group.ts";

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
		const read = await readGroup(pid, "memory", readOne);
		if (!read) continue;
		let name = read.name;
		for (let n = 2; found.has(name); n++) name = `${read.name} ${n}`;
		found.set(name, read.memory);
	}
	return found;
}

async function readOne({ name, version, text }: ServiceGroup): Promise<{ name: string; memory: Memory }> {
	const files =
		version === 2
			? { now: "memory.current", most: "memory.peak", filePages: "file" }
			: { now: "memory.usage_in_bytes", most: "memory.max_usage_in_bytes", filePages: "cache" };
	return {
		name,
		memory: {
			bytes: Number(await text(files.now)),
			mostBytes: Number(await text(files.most)),
			fileBytes: figureOf(await text("memory.stat"), files.filePages),
		},
	};
}
