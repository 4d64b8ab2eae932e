// Starts the project's own relay for a bench: everything by its one command, with free ports and a folder of its own.
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../clock.ts";
import { selfCommand, sendSignal } from "../runtime.ts";
import { supervisedVariable } from "../service-process.ts";
import { freePorts } from "./free-ports.ts";

export interface Launched {
	readonly url: string;
	readonly defaultUrl: string;
	readonly fallbackUrl: string;
	/** The supervisor's. */
	readonly pid: number;
	/** Ends everything, and removes the folder. */
	close(): Promise<void>;
}

const readyMaxMs = 60_000;
const readyPauseMs = 100;
/** Who has not answered by then is asked anew, ms. */
const answerMaxMs = 5_000;
const stopMaxMs = 30_000;

export interface LaunchOptions {
	/** Settings of the relay, over the environment's. */
	readonly env: Readonly<Record<string, string>>;
	/** Processors that run already; absent: simulators are started. */
	readonly defaultUrl?: string | undefined;
	readonly fallbackUrl?: string | undefined;
	/** Where what the relay says goes. */
	readonly logPath: string;
}

/** Rejects where the relay does not get ready. */
export async function launch(options: LaunchOptions, signal: AbortSignal): Promise<Launched> {
	const { env, defaultUrl, fallbackUrl, logPath } = options;
	const [port, rpcPort, defaultPort, fallbackPort] = await freePorts(4);
	const dataDir = await mkdtemp(join(tmpdir(), "payrelay-bench-"));
	const main = fileURLToPath(new URL("../main.ts", import.meta.url));
	const [program, ...programArguments] = benchedCommand(main);
	const child = spawn(program, programArguments, {
		env: {
			...process.env,
			HOST: "127.0.0.1",
			DATA_DIR: dataDir,
			...env,
			// Its standard input ends with the bench, however that ends.
			[supervisedVariable]: "1",
			PORT: String(port),
			RPC_ADDR: `127.0.0.1:${rpcPort}`,
			PROCESSOR_DEFAULT_URL: defaultUrl ?? "",
			PROCESSOR_FALLBACK_URL: fallbackUrl ?? "",
			PROCESSOR_DEFAULT_PORT: String(defaultPort),
			PROCESSOR_FALLBACK_PORT: String(fallbackPort),
		},
		stdio: ["pipe", "pipe", "pipe"],
	});
	const log = createWriteStream(logPath);
	child.stdout.pipe(log, { end: false });
	child.stderr.pipe(log, { end: false });
	const exited = new Promise<string>((resolve) => {
		child.once("exit", (code, signal) => resolve(`ended with ${signal ?? code}`));
		child.once("error", (error) => resolve(error.message));
	});
	const close = async (): Promise<void> => {
		await stop(child, exited);
		log.end();
		await rm(dataDir, { recursive: true, force: true });
	};
	const url = `http://127.0.0.1:${port}`;
	const ended = exited.then((how) => Promise.reject(new Error(`the relay ${how} before it was ready; see ${logPath}`)));
	try {
		await Promise.race([ready(`${url}/payments-summary`, signal), ended]);
	} catch (error) {
		await close();
		throw error;
	} finally {
		ended.catch(() => {
			// Once it is ready, its end shows in what it no longer answers.
		});
	}
	return {
		url,
		defaultUrl: defaultUrl ?? `http://127.0.0.1:${defaultPort}`,
		fallbackUrl: fallbackUrl ?? `http://127.0.0.1:${fallbackPort}`,
		pid: child.pid!,
		close,
	};
}

/** The command of what is measured, or is measured with: the bench's own runtime options are not for them. */
export function benchedCommand(module: string, words?: readonly string[], flags?: readonly string[]) {
	return selfCommand(module, words, flags, []);
}

/** As load scripts do: until there is a 2XX. `onWait` is told once, after a first answer that is none. */
export async function ready(
	url: string,
	signal: AbortSignal,
	{ maxMs = readyMaxMs, onWait }: { readonly maxMs?: number; readonly onWait?: (maxMs: number) => void } = {},
): Promise<void> {
	const untilMs = performance.now() + maxMs;
	for (let asked = 0; ; asked++) {
		signal.throwIfAborted();
		if (asked === 1) onWait?.(maxMs);
		const leftMs = untilMs - performance.now();
		if (leftMs <= 0) throw new Error(`${url} was not ready within ${maxMs} ms`);
		const bounded = AbortSignal.any([signal, AbortSignal.timeout(Math.min(Math.ceil(leftMs), answerMaxMs))]);
		// Not there yet is asked again; the bound is above.
		const answer = await fetch(url, { signal: bounded }).catch(() => undefined);
		await answer?.body?.cancel();
		if (answer?.ok) return;
		await systemClock.sleep(readyPauseMs, signal);
	}
}

/** Until all of these sockets are there: each is made once what listens there serves. */
export async function listening(paths: readonly string[], signal: AbortSignal): Promise<void> {
	const untilMs = performance.now() + readyMaxMs;
	while (!paths.every((path) => existsSync(path))) {
		if (performance.now() > untilMs) throw new Error(`not all of ${paths.join(", ")} are there in ${readyMaxMs} ms`);
		await systemClock.sleep(readyPauseMs, signal);
	}
}

/** Asks it to end, and ends it where it does not. */
export async function stop(child: ChildProcess, exited: Promise<string>): Promise<void> {
	sendSignal(child, "SIGTERM");
	const late = setTimeout(() => sendSignal(child, "SIGKILL"), stopMaxMs);
	await exited;
	clearTimeout(late);
}
