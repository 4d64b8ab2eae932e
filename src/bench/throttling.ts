// How often and how long processes were held up by their CPU limits, as the kernel counts it by control group.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { controlGroup } from "../control-group.ts";
import { nameOf } from "./processes.ts";

export interface Throttling {
	/** Periods of the scheduler (0.1 s) in which anything ran, and those in which the limit was met. */
	readonly periods: number;
	readonly throttled: number;
	readonly throttledMs: number;
}

/** By service, all its processes together; empty where the system does not tell. */
export async function readThrottling(pids: readonly number[]): Promise<ReadonlyMap<string, Throttling>> {
	const found = new Map<string, Throttling>();
	for (const pid of pids) {
		const read = await readOne(pid);
		if (!read) continue;
		const before = found.get(read.name) ?? { periods: 0, throttled: 0, throttledMs: 0 };
		found.set(read.name, plus(before, read.throttling, 1));
	}
	return found;
}

export function throttlingSince(now: ReadonlyMap<string, Throttling>, before: ReadonlyMap<string, Throttling>) {
	return new Map([...now].map(([name, one]) => [name, plus(one, before.get(name), -1)]));
}

function plus(one: Throttling, other: Throttling | undefined, sign: 1 | -1): Throttling {
	const sum = (of: keyof Throttling): number => one[of] + sign * (other?.[of] ?? 0);
	return { periods: sum("periods"), throttled: sum("throttled"), throttledMs: sum("throttledMs") };
}

async function readOne(pid: number): Promise<{ name: string; throttling: Throttling } | undefined> {
	try {
		const groups = await readFile(`/proc/${pid}/cgroup`, "utf8");
		const name = nameOf(await readFile(`/proc/${pid}/cmdline`, "utf8"));
		const group = controlGroup(groups, "cpu");
		if (!group) return undefined;
		const folder = group.folders[0];
		const text = await readFile(join(folder, "cpu.stat"), "utf8");
		const figure = (key: string): number => Number(new RegExp(`^${key} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
		return {
			name,
			throttling: {
				periods: figure("nr_periods"),
				throttled: figure("nr_throttled"),
				throttledMs: figure("throttled_time") / 1e6 + figure("throttled_usec") / 1e3,
			},
		};
	} catch {
		// It has ended, or nothing is mounted there.
		return undefined;
	}
}
