import { expect, test } from "vitest";
import { controlGroup, cpuQuota } from "../src/control-group.ts";

/** A file system of these files; what is not in it cannot be read. */
const of = (files: Record<string, string>) => (file: string) => {
	const text = files[file];
	if (text === undefined) throw new Error(`no ${file}`);
	return text;
};

/** The files of a group of version 1 with this bound on its CPU, µs of each 0.1 s. */
const bound = (folder: string, quotaUs: number) => ({
	[`/sys/fs/cgroup/${folder}/cpu.cfs_quota_us`]: `${quotaUs}\n`,
	[`/sys/fs/cgroup/${folder}/cpu.cfs_period_us`]: "100000\n",
});

test("version 2: the least bound of the group and of those that it lies in", () => {
	const files = {
		"/proc/self/cgroup": "0::/shop/relay\n",
		"/sys/fs/cgroup/shop/relay/cpu.max": "max 100000\n",
		"/sys/fs/cgroup/shop/cpu.max": "40000 100000\n",
	};
	expect(cpuQuota(of(files))).toBe(0.4);
	expect(cpuQuota(of({ ...files, "/sys/fs/cgroup/shop/relay/cpu.max": "5000 20000\n" }))).toBe(0.25);
});

test("version 1, from inside a container that does not see its own path", () => {
	const files = {
		"/proc/self/cgroup": "5:memory:/docker/1f\n4:cpu,cpuacct:/docker/1f\n0::/\n",
		...bound("cpu", 160_000),
	};
	expect(cpuQuota(of(files))).toBe(1.6);
});

test("version 1, where a tree is mounted by the names of all its controllers, and a path leads out of what is seen", () => {
	const files = {
		"/proc/self/cgroup": "4:cpu,cpuacct:/../1f\n",
		...bound("cpu,cpuacct/1f", 42_000),
	};
	expect(cpuQuota(of(files))).toBe(0.42);
});

test("no bound: none is set, or nothing tells", () => {
	expect(cpuQuota(of({}))).toBeUndefined();
	expect(cpuQuota(of({ "/proc/self/cgroup": "0::/\n" }))).toBeUndefined();
	expect(cpuQuota(of({ "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "100 0\n" }))).toBeUndefined();
	expect(cpuQuota(of({ "/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/a/cpu.max": "max 100000\n" }))).toBeUndefined();
	const unbounded = {
		"/proc/self/cgroup": "1:cpu:/a\n",
		...bound("cpu/a", -1),
	};
	expect(cpuQuota(of(unbounded))).toBeUndefined();
});

test("a group's own folder comes first, whatever else its tree controls", () => {
	expect(controlGroup("3:cpuset,memory:/a/b\n0::/c\n", "memory")).toEqual({
		version: 1,
		folders: ["memory", "cpuset,memory"].flatMap((top) =>
			["/a/b", "/a", ""].map((path) => `/sys/fs/cgroup/${top}${path}`),
		),
	});
	expect(controlGroup("2:cpuset:/a\n0::/c\n", "cpu")).toEqual({
		version: 2,
		folders: ["/sys/fs/cgroup/c", "/sys/fs/cgroup"],
	});
	expect(controlGroup("2:cpuset:/a\n", "cpu")).toBeUndefined();
});
