// Where the kernel keeps what a process uses and may use: its control group, of version 1 or 2.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface ControlGroup {
	readonly version: 1 | 2;
	/** Its own folder, and those that it lies in, up to the root. In a container only the last ones may be there. */
	readonly folders: readonly [string, ...string[]];
}

const root = "/sys/fs/cgroup";

/** `groups` is what `/proc/PID/cgroup` says. */
export function controlGroup(groups: string, controller: "cpu" | "memory"): ControlGroup | undefined {
	// Version 1 has a tree for each controller, version 2 a single one, numbered 0 and without a name.
	const first = new RegExp(`^\\d+:(?:[^:]*,)?${controller}(?:,[^:]*)?:(/.*)$`, "m").exec(groups)?.[1];
	const path = first ?? /^0::(\/.*)$/m.exec(groups)?.[1];
	if (path === undefined) return undefined;
	const top = first === undefined ? root : join(root, controller);
	const folderOf = (inner: string): string => (inner === "/" ? top : join(top, inner));
	const folders: [string, ...string[]] = [folderOf(path)];
	for (let inner = path; inner !== "/"; ) {
		inner = dirname(inner);
		folders.push(folderOf(inner));
	}
	return { version: first === undefined ? 2 : 1, folders };
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
	const bounds = quotas.filter((quota) => quota > 0);
	return bounds.length > 0 ? Math.min(...bounds) : undefined;
}
