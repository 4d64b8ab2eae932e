// Processes as Linux shows them under /proc: who is whose child, and what became of them.
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessSeen {
	readonly pid: number;
	/** The command line's arguments. */
	readonly command: readonly string[];
}

/** The living children of a process; what has ended and was not waited for is not one of them. */
export function childrenOf(parent: number): ProcessSeen[] {
	const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
	return pids.map(Number).flatMap((pid) => {
		const found = look(pid);
		return found?.parent === parent ? [{ pid, command: found.command }] : [];
	});
}

/** Whether a process runs: it is there, and is not just waited for. */
export function isAlive(pid: number): boolean {
	return look(pid) !== undefined;
}

/** Sends a signal; a process that has ended already is none to send it to. */
export function signal(pid: number, name: NodeJS.Signals): void {
	try {
		process.kill(pid, name);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
	}
}

function look(pid: number): { parent: number; command: string[] } | undefined {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
		// "pid (name) state parent …", where the name may hold anything.
		const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
		if (state === "Z" || state === "X") return undefined;
		const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
		return { parent: Number(parent), command };
	} catch {
		// It ended between being listed and being looked at.
		return undefined;
	}
}
