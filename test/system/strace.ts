// strace on a running process: what it asks of the kernel, in order, to the microsecond; and faults put in between.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import { within } from "./until.ts";

const attachMaxMs = 10_000;

export interface Call {
	readonly name: string;
	/** The arguments as strace writes them: descriptors with what they stand for, texts cut. */
	readonly args: string;
	readonly result: string;
	/** Seconds since the Unix epoch. */
	readonly startedS: number;
	readonly endedS: number;
}

export interface Trace {
	/** Lets go of the process; resolves with every call that ended, by the moment of its end. */
	stop(): Promise<Call[]>;
}

/** Whether a process that is no child may be traced: Debian's own kernels allow it to root only. */
export function mayTrace(): boolean {
	if (process.getuid?.() === 0) return true;
	try {
		return readFileSync("/proc/sys/kernel/yama/ptrace_scope", "latin1").trim() === "0";
	} catch {
		// A kernel without yama has no such rule.
		return true;
	}
}

const form = ["-f", "-ttt", "-T", "-yy", "-s", "48"];

/** Resolves once every thread of the process is traced. `options` are strace's own, such as `-e trace=write`. */
export async function trace(pid: number, output: string, ...options: string[]): Promise<Trace> {
	const args = [...form, "-o", output, "-p", String(pid), ...options];
	const child = spawn("strace", args, { stdio: ["ignore", "ignore", "pipe"] });
	const ended = once(child, "close");
	onTestFinished(async () => {
		child.kill("SIGTERM");
		await ended;
	});
	let said = "";
	const attached = new Promise<void>((resolve, reject) => {
		child.stderr.on("data", (chunk) => {
			said += chunk;
			if (/attached/.test(said)) resolve();
		});
		ended.then(() => reject(new Error(`strace ended: ${said}`)), reject);
	});
	attached.catch(() => {});
	await within("strace to attach", attachMaxMs, attached);
	return {
		async stop() {
			child.kill("SIGINT");
			await ended;
			return parseTrace(readFileSync(output, "latin1"));
		},
	};
}

/** The calls of a process from its first to its last. */
export async function traceWhole(command: readonly string[], output: string, ...options: string[]): Promise<Call[]> {
	const child = spawn("strace", [...form, "-o", output, ...options, ...command], {
		stdio: ["ignore", "ignore", "inherit"],
	});
	onTestFinished(() => void child.kill("SIGKILL"));
	await once(child, "close");
	return parseTrace(readFileSync(output, "latin1"));
}

const whole = /^(\d+) +(\d+\.\d+) (\w+)\((.*)\) += (.*?) <(\d+\.\d+)>$/;
const unfinished = /^(\d+) +(\d+\.\d+) (\w+)\((.*) <unfinished \.\.\.>$/;
const resumed = /^(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>(.*)\) += (.*?) <(\d+\.\d+)>$/;

/** A call that another thread's interrupted stands on two lines. */
export function parseTrace(text: string): Call[] {
	const open = new Map<string, { startedS: number; args: string }>();
	const calls: Call[] = [];
	for (const line of text.split("\n")) {
		let match = whole.exec(line);
		if (match) {
			const [, , at, name, args, result, took] = match as unknown as string[];
			calls.push({ name: name!, args: args!, result: result!, startedS: +at!, endedS: +at! + +took! });
			continue;
		}
		match = unfinished.exec(line);
		if (match) {
			open.set(match[1]!, { startedS: Number(match[2]), args: match[4]! });
			continue;
		}
		match = resumed.exec(line);
		const begun = match && open.get(match[1]!);
		if (!match || !begun) continue;
		const { startedS } = begun;
		const args = begun.args + match[4];
		calls.push({ name: match[3]!, args, result: match[5]!, startedS, endedS: startedS + Number(match[6]) });
	}
	return calls.toSorted((a, b) => a.endedS - b.endedS);
}
