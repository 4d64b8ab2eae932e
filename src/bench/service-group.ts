// The control group of a service's process, and what the kernel says of it there.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { controlGroup } from "../control-group.ts";
import { nameOf } from "./processes.ts";

export interface ServiceGroup {
	/** The service's name, as its process says it. */
	readonly name: string;
	readonly version: 1 | 2;
	/** The text of one of the group's files. */
	readonly text: (file: string) => Promise<string>;
}

/**
 * What `read` makes of the group that the process is in; undefined where the process has ended, the system does not tell,
 * or a file is not there.
 */
export async function readGroup<T>(
	pid: number,
	controller: "cpu" | "memory",
	read: (group: ServiceGroup) => Promise<T>,
): Promise<T | undefined> {
	try {
		const group = controlGroup(await readFile(`/proc/${pid}/cgroup`, "utf8"), controller);
		const name = nameOf(await readFile(`/proc/${pid}/cmdline`, "utf8"));
		if (!group) return undefined;
		const text = (file: string): Promise<string> => readFile(join(group.folders[0], file), "utf8");
		return await read({ name, version: group.version, text });
	} catch {
		// It has ended, or nothing is mounted there.
		return undefined;
	}
}

/** A line such as `nr_periods 1234`; 0 where there is none. */
export function figureOf(text: string, key: string): number {
	return Number(new RegExp(`^${key} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
}
