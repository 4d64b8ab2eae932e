// Memory and CPU of the relay's processes, read from /proc; empty where there is none.
//
// Read synchronously: it is no disk, a file takes some 10 us, and threads that read all of it at once would take both CPUs
// from what is measured for 20 to 30 ms.
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessSample {
	readonly pid: number;
	/** What the process calls itself: the words behind `main.ts`, or the program. */
	readonly name: string;
	readonly rssBytes: number;
	/** User and system time since it started. */
	readonly cpuMs: number;
}

/** One service, all its processes together; those that ended in between count with what was seen of them last. */
export interface ServiceUse {
	readonly name: string;
	readonly processes: number;
	readonly rssStartBytes: number;
	readonly rssMaxBytes: number;
	readonly rssEndBytes: number;
	/** Shared pages counted by share; absent where the system does not tell. */
	readonly pssEndBytes?: number;
	readonly cpuMs: number;
}

export interface Sampler {
	/** Reads all now. */
	sample(): readonly ProcessSample[];
	/** Starts a new account: what is used from here on. */
	begin(): void;
	end(): readonly ServiceUse[];
}

/** /proc counts CPU time in ticks of this length, whatever the kernel's own (USER_HZ). */
const tickMs = 10;
/** New processes are looked for only so often. */
const discoverMs = 5_000;

export function createSampler(rootPids: readonly number[]): Sampler {
	let pids: readonly number[] = [];
	let discoveredMs = Number.NEGATIVE_INFINITY;
	let first = new Map<number, ProcessSample>();
	const last = new Map<number, ProcessSample>();
	const most = new Map<string, number>();

	function sample(fresh = false): readonly ProcessSample[] {
		if (fresh || performance.now() - discoveredMs > discoverMs) {
			pids = descendants(rootPids);
			discoveredMs = performance.now();
		}
		const found = pids.map(readProcess).filter((one) => one !== undefined);
		for (const one of found) last.set(one.pid, one);
		for (const [name, bytes] of rssByName(found)) most.set(name, Math.max(most.get(name) ?? 0, bytes));
		return found;
	}

	return {
		sample: () => sample(),
		begin() {
			last.clear();
			most.clear();
			first = new Map(sample(true).map((one) => [one.pid, one]));
		},
		end() {
			const now = sample(true);
			const pss = now.map(({ name, pid }) => [name, readPss(pid)] as const);
			const startBytes = rssByName([...first.values()]);
			const endBytes = rssByName(now);
			return [...new Set([...last.values()].map(({ name }) => name))].sort().map((name) => {
				const own = [...last.values()].filter((one) => one.name === name);
				const shares = pss.filter(([of]) => of === name).map(([, bytes]) => bytes);
				return {
					name,
					processes: now.filter((one) => one.name === name).length,
					rssStartBytes: startBytes.get(name) ?? 0,
					rssMaxBytes: most.get(name) ?? 0,
					rssEndBytes: endBytes.get(name) ?? 0,
					...(shares.every((bytes) => bytes !== undefined) && {
						pssEndBytes: shares.reduce((sum: number, bytes) => sum + (bytes ?? 0), 0),
					}),
					cpuMs: own.reduce((sum, one) => sum + one.cpuMs - (first.get(one.pid)?.cpuMs ?? 0), 0),
				};
			});
		},
	};
}

/** Whether a service is one of the relay's own: the simulated processors stand for others' machines. */
export function isRelays(name: string): boolean {
	return !name.startsWith("processor");
}

export function rssByName(samples: readonly ProcessSample[]): Map<string, number> {
	const sums = new Map<string, number>();
	for (const { name, rssBytes } of samples) sums.set(name, (sums.get(name) ?? 0) + rssBytes);
	return sums;
}

/** The processes and all below them. */
function descendants(rootPids: readonly number[]): readonly number[] {
	const parents = new Map<number, number>();
	for (const entry of processIds()) {
		const stat = readStat(entry);
		if (stat) parents.set(entry, Number(stat[1]));
	}
	const found = rootPids.filter((pid) => parents.has(pid));
	for (const pid of found) for (const [child, parent] of parents) if (parent === pid) found.push(child);
	return found;
}

function processIds(): number[] {
	try {
		return readdirSync("/proc").map(Number).filter(Number.isInteger);
	} catch {
		// Not every system has it; then nothing is told of processes.
		return [];
	}
}

function readProcess(pid: number): ProcessSample | undefined {
	const stat = readStat(pid);
	const rssBytes = bytesOf(readText(`/proc/${pid}/status`), "VmRSS");
	const command = readText(`/proc/${pid}/cmdline`);
	if (!stat || rssBytes === undefined || command === undefined) return undefined;
	return {
		pid,
		name: nameOf(command),
		rssBytes,
		cpuMs: (Number(stat[11]) + Number(stat[12])) * tickMs,
	};
}

/** `node src/main.ts cache` is the cache; without a word behind it is the supervisor. */
export function nameOf(commandLine: string): string {
	const words = commandLine.split("\0").filter((word) => word !== "");
	const main = words.findIndex((word) => word.endsWith("main.ts"));
	// nginx writes what each of its processes is for: "nginx: worker process".
	if (main < 0) return words[0]?.split(":", 1)[0]?.split("/").at(-1) ?? "?";
	const named = words.slice(main + 1).filter((word) => /^[a-z]+$/.test(word));
	return named.length === 0 ? "supervisor" : named.slice(0, 2).join(" ");
}

/** The fields behind the program's name, which may itself hold spaces and brackets: the first is the state. */
function readStat(pid: number): readonly string[] | undefined {
	const text = readText(`/proc/${pid}/stat`);
	return text?.slice(text.lastIndexOf(")") + 2).split(" ");
}

function readPss(pid: number): number | undefined {
	return bytesOf(readText(`/proc/${pid}/smaps_rollup`), "Pss");
}

/** A line such as `VmRSS:   1234 kB`. */
function bytesOf(text: string | undefined, name: string): number | undefined {
	const kiB = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text ?? "")?.[1];
	return kiB === undefined ? undefined : Number(kiB) * 1024;
}

/** `undefined` where the process has ended in between, or may not be read. */
function readText(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return undefined;
	}
}
