// Where the kernel keeps what a process uses and may use: its control group, of version 1 or 2.
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

export interface ControlGroup {
	readonly version: 1 | 2;
	/** Its own folder, and those that it lies in, up to the root; not all of them need be there, above all in a container. */
	readonly folders: readonly [string, ...string[]];
}

const root = "/sys/fs/cgroup";

/** `groups` is what `/proc/PID/cgroup` says. */
export function controlGroup(groups: string, controller: "cpu" | "memory"): ControlGroup | undefined {
	// Version 1 has a tree for each controller, or for some together, version 2 a single one, numbered 0 and without a name.
	const first = new RegExp(`^\\d+:((?:[^:]*,)?${controller}(?:,[^:]*)?):(/.*)$`, "m").exec(groups);
	const path = first?.[2] ?? /^0::(\/.*)$/m.exec(groups)?.[1];
	if (path === undefined) return undefined;
	const tops = first ? [...new Set([controller, first[1]!])].map((name) => join(root, name)) : [root];
	// A group outside of what a container sees is named by `..`.
	const inners = [normalize(path)];
	while (inners.at(-1) !== "/") inners.push(dirname(inners.at(-1)!));
	const folders = tops.flatMap((top) => inners.map((inner) => (inner === "/" ? top : join(top, inner))));
	return { version: first ? 1 : 2, folders: folders as [string, ...string[]] };
}

/** How many CPUs this process may use on the mean, such as 0.4; undefined where that has no bound, or nothing tells. */
export function cpuQuota(read: (file: string) => string = (file) => readFileSync(file, "utf8")): number | undefined {
	const text = (file: string): string => {
		try {
			return read(file);
		} catch {
			// Not on this system, or not to be seen from inside a container.
			return "";
		}
	};
	const group = controlGroup(text("/proc/self/cgroup"), "cpu");
	const quotas = (group?.folders ?? []).map((folder) => {
		const [quota, period] =
			group?.version === 2
				? text(join(folder, "cpu.max")).trim().split(" ")
				: [text(join(folder, "cpu.cfs_quota_us")), text(join(folder, "cpu.cfs_period_us"))];
		return Number(quota) / Number(period);
	});
	// Without a bound it is "max" or -1.
	const bounds = quotas.filter((quota) => quota > 0 && Number.isFinite(quota));
	return bounds.length > 0 ? Math.min(...bounds) : undefined;
}
