// The tutorial's programs as processes of Debian's Python.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const python = "/usr/bin/python3";
/** No program of the tests runs for longer. */
const runMs = 25_000;

export const pythonReady = spawnSync(python, ["-c", "import aio_pika"], { timeout: runMs }).status === 0;
if (!pythonReady && process.env.PAYRELAY_REQUIRE_ALL === "1")
	throw new Error("no python3-aio-pika is installed, and nothing may be skipped");

export interface PythonProgram {
	/** The next line that it prints; undefined when it has ended. */
	line(): Promise<string | undefined>;
	end(): Promise<void>;
}

/** `name`: a file of this folder. */
export function runPython(name: string, ...args: string[]): PythonProgram {
	const file = fileURLToPath(new URL(name, import.meta.url));
	const child = spawn(python, ["-u", file, ...args], { stdio: ["ignore", "pipe", "inherit"], timeout: runMs });
	const exited = once(child, "exit");
	const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
	return {
		async line() {
			const { value, done } = await lines.next();
			return done ? undefined : value;
		},
		async end() {
			child.kill("SIGKILL");
			await exited;
		},
	};
}
