// Starts a receiver in a process of its own, on the runtime that runs the tests.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { runtimeCommand } from "../../system/relay.ts";

export interface ReceiverOptions {
	readonly url: string;
	readonly namespace: string;
	/** `die before the ack`: by SIGKILL, once its answer is confirmed. `die at work`: when it is called. */
	readonly behaviour: "serve" | "die before the ack" | "die at work";
	readonly handlerMs: number;
}

export interface Receiver {
	readonly pid: number;
	readonly ended: Promise<unknown>;
	/** Asks it to end; resolves to its counters once it has. */
	terminate(): Promise<Record<string, number>>;
	kill(): Promise<void>;
}

const script = new URL("receiver.ts", import.meta.url).pathname;
const [program, ...run] = runtimeCommand;

/** Resolves once it serves. */
export async function startReceiver(options: ReceiverOptions): Promise<Receiver> {
	const child: ChildProcess = spawn(program, [...run, script, JSON.stringify(options)], {
		stdio: ["ignore", "pipe", "inherit"],
	});
	const ended = once(child, "exit");
	const lines = createInterface({ input: child.stdout! });
	// One that is to die at work may be gone before it can say that it serves.
	await Promise.race([once(lines, "line"), ended]);
	const last = once(lines, "line");
	return {
		pid: child.pid!,
		ended,
		async terminate() {
			child.kill("SIGTERM");
			const [counters] = await last;
			await ended;
			return JSON.parse(counters);
		},
		async kill() {
			child.kill("SIGKILL");
			await ended;
		},
	};
}
