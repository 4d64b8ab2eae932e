// All services of one style as processes that can be stopped, killed and started again one by one.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { selfCommand, sendSignal } from "../../src/runtime.ts";
import { type Options, type Style, toWords } from "./options.ts";

export interface Fleet {
	readonly options: Options;
	/** Resolves when it is ready. Where it ends before, or is late, all are ended first, and then it rejects. `words` are further flags. */
	start(service: string, ...words: string[]): Promise<void>;
	/** In order: it ends what it has begun. */
	stop(service: string): Promise<void>;
	/** At once, as a crash. */
	kill(service: string): Promise<void>;
	/** Ends all that run. */
	end(): Promise<void>;
}

/** How long a process may take to be ready, and to stop, ms. */
const readyMs = 20_000;
const stopMs = 12_000;

/** `onLog` takes what the services write into their logs. */
export function createFleet(style: Style, options: Options, onLog: (text: string) => void): Fleet {
	const module = join(import.meta.dirname, "..", style, "service.ts");
	const running = new Map<string, ChildProcess>();

	async function end(service: string, signal: NodeJS.Signals): Promise<void> {
		const child = running.get(service);
		if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
		const exited = once(child, "exit");
		sendSignal(child, signal);
		const late = setTimeout(() => sendSignal(child, "SIGKILL"), stopMs);
		await exited;
		clearTimeout(late);
	}

	async function endAll(): Promise<void> {
		await Promise.all([...running.keys()].map((service) => end(service, "SIGTERM")));
	}

	return {
		options,
		async start(service, ...words) {
			const [command, ...rest] = selfCommand(module, [service, ...toWords({ ...options }), ...words]);
			const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"] });
			running.set(service, child);
			child.stderr.setEncoding("utf8").on("data", onLog);
			const ready = once(createInterface({ input: child.stdout }), "line");
			const signal = AbortSignal.timeout(readyMs);
			try {
				await Promise.race([
					ready,
					once(child, "exit", { signal }).then(() => {
						throw new Error(`${service} ended before it was ready`);
					}),
				]);
			} catch (error) {
				// Whoever starts them has nothing to end yet: nobody else would.
				await endAll();
				throw error;
			}
		},
		stop: (service) => end(service, "SIGTERM"),
		kill: (service) => end(service, "SIGKILL"),
		end: endAll,
	};
}
