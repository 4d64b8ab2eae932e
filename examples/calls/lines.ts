// How the comparison talks with its processes: a line of JSON each way, one after another, until the input ends.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { selfCommand } from "../../src/runtime.ts";

/** No process of the comparison lives for longer. */
const peerMaxMs = 30 * 60_000;

export interface Peer<Request, Response> {
	ask(request: Request): Promise<Response>;
	/** Ends its input, and resolves when it has ended. */
	end(): Promise<void>;
}

/** In the process itself. Resolves when there is nothing more to answer. */
export async function answerLines<Request, Response>(answer: (request: Request) => Promise<Response>): Promise<void> {
	for await (const line of createInterface({ input: process.stdin }))
		process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
}

/** Starts a module of this folder as a process of its own. */
export function startPeer<Request, Response>(module: string, words: string[], env = {}): Peer<Request, Response> {
	const [program, ...rest] = selfCommand(fileURLToPath(new URL(module, import.meta.url)), words);
	const child = spawn(program, rest, {
		stdio: ["pipe", "pipe", "inherit"],
		env: { ...process.env, ...env },
		timeout: peerMaxMs,
	});
	child.stdin.on("error", () => {
		// It has ended: whoever waits for its answer is told so by the end of its lines.
	});
	const exited = once(child, "exit");
	const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
	return {
		async ask(request) {
			child.stdin.write(`${JSON.stringify(request)}\n`);
			const { value, done } = await lines.next();
			if (done) throw new Error(`${module} ended without an answer`);
			return JSON.parse(value);
		},
		async end() {
			child.stdin.end();
			await exited;
		},
	};
}
