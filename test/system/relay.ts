// A whole relay as a user starts it: the one command, in a folder of its own, on free ports.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { request } from "undici";
import { freePorts } from "../../src/bench/free-ports.ts";
import { StatsService } from "../../src/gen/payrelay/v1/stats_service_pb.ts";
import { onDeno } from "../../src/runtime.ts";
import { childrenOf, isAlive, signal } from "./processes.ts";
import { until, within } from "./until.ts";

export const projectRoot = fileURLToPath(new URL("../..", import.meta.url));
export const mainModule = join(projectRoot, "src/main.ts");

/** The runtime that runs the tests runs the relay too. */
export const runtimeCommand: readonly [string, ...string[]] = onDeno
	? [process.execPath, "run", "-A"]
	: [process.execPath];

/** How long everything may take to be ready, and to stop, ms. */
const readyMaxMs = 30_000;
const stopMaxMs = 30_000;
const logTailLines = 60;

export interface Exit {
	readonly code: number | null;
	readonly signal: NodeJS.Signals | null;
}

export interface Relay {
	readonly url: string;
	readonly rpcAddr: string;
	readonly dataDir: string;
	readonly supervisor: number;
	readonly stats: ReturnType<typeof createStats>;
	/** The living processes of a service, such as `cache` or `processor default`. */
	pids(service: string): number[];
	/** The one process of a service, waited for where it is being started again. */
	pid(service: string): Promise<number>;
	/** What was written to standard output and to the log so far. */
	output(): string;
	readonly exited: Promise<Exit>;
	ready(): Promise<void>;
	/** Asks for a stop and waits for it. */
	stop(signal?: "SIGTERM" | "SIGINT" | "SIGHUP"): Promise<Exit>;
	/** Ends whatever still runs; keeps the folder and prints the log's end where the test failed. */
	dispose(failed: boolean): Promise<void>;
}

export interface RelayOptions {
	/** Settings by their names in the environment. */
	readonly settings?: Readonly<Record<string, string>>;
	/** The folder with the data, where another relay made one. */
	readonly folder?: string;
	/** What stands before the runtime's own command. */
	readonly prefix?: readonly string[];
	/** Instead of the runtime and the main module. */
	readonly command?: readonly [string, ...string[]];
	/** In a process group of its own, as a shell starts a command. */
	readonly detached?: boolean;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
	// Children of the supervisor end with it.
	for (const child of running) child.kill("SIGKILL");
});

/** Starts a relay and does not wait for it. */
export async function spawnRelay(options: RelayOptions = {}): Promise<Relay> {
	const folder = options.folder ?? mkdtempSync(join(tmpdir(), "payrelay-"));
	const [port, rpcPort, defaultPort, fallbackPort] = await freePorts(4);
	const settings: Record<string, string> = {
		HOST: "127.0.0.1",
		PORT: String(port),
		RPC_ADDR: `127.0.0.1:${rpcPort}`,
		PROCESSOR_DEFAULT_PORT: String(defaultPort),
		PROCESSOR_FALLBACK_PORT: String(fallbackPort),
		DATA_DIR: join(folder, "data"),
		...options.settings,
	};
	const [program, ...args] = [...(options.prefix ?? []), ...(options.command ?? [...runtimeCommand, mainModule])];
	const child = spawn(program as string, args, {
		cwd: projectRoot,
		env: { PATH: process.env.PATH, HOME: process.env.HOME, ...settings },
		stdio: ["ignore", "pipe", "pipe"],
		detached: options.detached ?? false,
	});
	running.add(child);
	const logPath = join(folder, "relay.log");
	const log = createWriteStream(logPath, { flags: "a" });
	for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => log.write(chunk));
	let output = "";
	for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
	const exited = new Promise<Exit>((resolve, reject) => {
		child.once("error", reject);
		child.once("close", (code, signal) => {
			running.delete(child);
			resolve({ code, signal });
		});
	});
	// Who does not look at the exit does not care for a failure to start either.
	exited.catch(() => {});
	const supervisor = child.pid ?? 0;
	const url = `http://127.0.0.1:${settings.PORT}`;
	const seen = new Set<number>();
	const services = () => {
		const children = childrenOf(supervisor);
		for (const { pid } of children) seen.add(pid);
		return children;
	};

	const relay: Relay = {
		url,
		rpcAddr: settings.RPC_ADDR as string,
		dataDir: settings.DATA_DIR as string,
		supervisor,
		stats: createStats(settings.RPC_ADDR as string),
		pids: (service) => services().flatMap(({ pid, command }) => (serviceOf(command) === service ? [pid] : [])),
		pid: (service) => until(`a process of ${service}`, readyMaxMs, () => relay.pids(service)[0]),
		output: () => output,
		exited,
		async ready() {
			const ended = exited.then((exit) => {
				throw new Error(`the relay ended before it was ready: ${JSON.stringify(exit)}\n${tail(output)}`);
			});
			ended.catch(() => {});
			const answers = until("an answer of /readyz", readyMaxMs, async () => {
				const { statusCode, body } = await request(`${url}/readyz`);
				await body.dump();
				return statusCode === 200;
			});
			await Promise.race([answers, ended]);
			services();
		},
		async stop(name = "SIGTERM") {
			services();
			signal(supervisor, name);
			return within(`the relay's end after ${name}`, stopMaxMs, exited);
		},
		async dispose(failed) {
			if (child.exitCode === null && child.signalCode === null) {
				services();
				await relay.stop().catch(() => signal(supervisor, "SIGKILL"));
			}
			for (const pid of seen) if (isAlive(pid) && belongs(pid, settings.DATA_DIR as string)) signal(pid, "SIGKILL");
			log.end();
			await once(log, "close");
			if (failed) process.stderr.write(`the relay's log, kept in ${logPath}, ends with:\n${tail(output)}\n`);
			else rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
		},
	};
	return relay;
}

/** A client for the relay's books that waits no longer than a test would. */
function createStats(rpcAddr: string) {
	const baseUrl = `http://${rpcAddr}`;
	return createClient(StatsService, createConnectTransport({ baseUrl, httpVersion: "2", defaultTimeoutMs: 10_000 }));
}

/** What stands behind the main module on a service's command line. */
function serviceOf(command: readonly string[]): string {
	const main = command.findIndex((argument) => argument.endsWith("main.ts"));
	return main < 0 ? "" : command.slice(main + 1).join(" ");
}

/** A pid may have been given to another process since; a service's environment says whose it is. */
function belongs(pid: number, dataDir: string): boolean {
	try {
		return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`DATA_DIR=${dataDir}`);
	} catch {
		// It has ended.
		return false;
	}
}

function tail(text: string): string {
	return text.split("\n").slice(-logTailLines).join("\n");
}
