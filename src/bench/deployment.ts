// Starts the relay as docker-compose.yml deploys it: nginx, two api, cache and consumer, each within its part of the budget.
//
// The limits themselves come from a command of the machine's, because only that knows how its processes are limited.
import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { supervisedVariable } from "../service-process.ts";
import { freePorts } from "./free-ports.ts";
import { benchedCommand, type LaunchOptions, listening, ready, stop } from "./launch.ts";

/** Of one service, as docker-compose.yml has it; a test compares the two. */
export interface Share {
	readonly cpus: number;
	readonly memoryMb: number;
	/** Of the runtime, beside those of the image. */
	readonly flags: readonly string[];
}

/** Of the image's entry point. */
export const imageFlags = ["--single-threaded", "--no-turbofan", "--expose-gc", "--max-semi-space-size=4"];
/** Of the bench too, as package.json starts it: its collections are few, and never take both CPUs at once. */
export const instrumentFlags = ["--expose-gc", "--single-threaded-gc", "--max-semi-space-size=64"];
export const budget: Readonly<Record<"nginx" | "cache" | "consumer" | "api1" | "api2", Share>> = {
	nginx: { cpus: 0.2, memoryMb: 20, flags: [] },
	cache: { cpus: 0.48, memoryMb: 100, flags: ["--max-old-space-size=56"] },
	consumer: { cpus: 0.42, memoryMb: 106, flags: ["--max-old-space-size=60"] },
	api1: { cpus: 0.2, memoryMb: 62, flags: ["--max-old-space-size=34"] },
	api2: { cpus: 0.2, memoryMb: 62, flags: ["--max-old-space-size=34"] },
};

export interface DeployOptions extends LaunchOptions {
	/** Called as `<limit> NAME CPUS MEM_MB COMMAND…`, runs the command within these limits; words parted by blanks. */
	readonly limit: string;
	/** The program. */
	readonly nginx: string;
	/** Runtime flags in place of a service's own, by its name, for trying them out. */
	readonly flags: Readonly<Record<string, string>>;
}

export interface Deployed {
	readonly url: string;
	readonly defaultUrl: string;
	readonly fallbackUrl: string;
	/** Of everything within the budget. */
	readonly pids: readonly number[];
	/** Kills the cache, and starts it again at once as a supervisor would; resolves when the new process is there. */
	killCache(): Promise<void>;
	close(): Promise<void>;
}

interface Running {
	readonly child: ChildProcess;
	readonly exited: Promise<string>;
}

const main = fileURLToPath(new URL("../main.ts", import.meta.url));
const nginxConf = fileURLToPath(new URL("../../nginx.conf", import.meta.url));

/** Rejects where a part of it does not get ready. */
export async function deploy(options: DeployOptions, signal: AbortSignal): Promise<Deployed> {
	const { env, limit, logPath } = options;
	const [port, rpcPort, defaultPort, fallbackPort] = (await freePorts(4)) as [number, number, number, number];
	const folder = await mkdtemp(join(tmpdir(), "payrelay-bench-"));
	// Started by root, nginx runs as another user, and has to reach the sockets.
	await chmod(folder, 0o755);
	const log = await open(logPath, "a");
	const started: Running[] = [];

	function start(command: readonly string[], settings: Readonly<Record<string, string>> = {}): ChildProcess {
		const [program, ...words] = command as [string, ...string[]];
		const child = spawn(program, words, {
			env: {
				...process.env,
				...env,
				...settings,
				DATA_DIR: env.DATA_DIR ?? folder,
				NODE_COMPILE_CACHE: join(folder, "compiled"),
				[supervisedVariable]: "1",
				LOG_FORMAT: "json",
			},
			// Its standard input ends with the bench, however that ends.
			stdio: ["pipe", log.fd, log.fd],
		});
		const exited = new Promise<string>((resolve) => {
			child.once("exit", (code, how) => resolve(`${words.slice(0, 2).join(" ")} ended with ${how ?? code}`));
			child.once("error", (error) => resolve(error.message));
		});
		started.push({ child, exited });
		return child;
	}

	function limited(name: keyof typeof budget, command: readonly string[], settings = {}): ChildProcess {
		const { cpus, memoryMb } = budget[name];
		return start([...limit.split(" "), `bench-${name}`, String(cpus), String(memoryMb), ...command], settings);
	}

	function service(name: keyof typeof budget, word: string, settings: Readonly<Record<string, string>>): ChildProcess {
		return limited(name, benchedCommand(main, [word], flagsOf(name, word)), settings);
	}

	function flagsOf(name: keyof typeof budget, word: string): readonly string[] {
		const given = options.flags[name] ?? options.flags[word];
		return given === undefined ? [...imageFlags, ...budget[name].flags] : given.split(" ").filter(Boolean);
	}

	/** As the image does when it is built. */
	async function compile(): Promise<void> {
		const services = [
			["cache", "cache"],
			["consumer", "consumer"],
			["api1", "api"],
			["api2", "api"],
		] as const;
		const flags = new Set(services.map(([name, word]) => flagsOf(name, word).join(" ")));
		const modules = [[fileURLToPath(new URL("../precompile.ts", import.meta.url))], [main, "--help"]] as const;
		for (const some of flags)
			for (const [module, ...words] of modules) {
				start(benchedCommand(module, words, some.split(" ")));
				await started.pop()!.exited;
			}
	}

	async function close(): Promise<void> {
		for (const { child, exited } of started.reverse()) await stop(child, exited);
		await log.close();
		await rm(folder, { recursive: true, force: true });
	}

	const failed = () => Promise.race(started.map(({ exited }) => exited)).then((how) => Promise.reject(new Error(how)));
	const until = (there: Promise<void>) => Promise.race([there, failed()]);
	const processorUrls = [options.defaultUrl, options.fallbackUrl].map((given, i) => {
		const own = i === 0 ? defaultPort : fallbackPort;
		return given ?? `http://127.0.0.1:${own}`;
	}) as [string, string];
	const [defaultUrl, fallbackUrl] = processorUrls;
	const cache = `unix:${join(folder, "cache.sock")}`;
	const url = `http://127.0.0.1:${port}`;
	try {
		await compile();
		const ports = { PROCESSOR_DEFAULT_PORT: String(defaultPort), PROCESSOR_FALLBACK_PORT: String(fallbackPort) };
		if (!options.defaultUrl) start(benchedCommand(main, ["processor", "default"], instrumentFlags), ports);
		if (!options.fallbackUrl) start(benchedCommand(main, ["processor", "fallback"], instrumentFlags), ports);
		const startCache = () =>
			service("cache", "cache", { RPC_SOCKET: join(folder, "cache.sock"), RPC_ADDR: `127.0.0.1:${rpcPort}` });
		const nginx = [options.nginx, "-p", folder, "-c", await writeNginxConf(folder, port), "-g", "daemon off;"];
		const nginxProcess = limited("nginx", nginx);
		let cacheProcess = startCache();
		const apis = ["api1", "api2"] as const;
		const socketOf = (name: (typeof apis)[number]): string => join(folder, `${name}.sock`);
		const pids = [
			nginxProcess,
			cacheProcess,
			service("consumer", "consumer", {
				CACHE_ADDR: cache,
				PROCESSOR_DEFAULT_URL: defaultUrl,
				PROCESSOR_FALLBACK_URL: fallbackUrl,
			}),
			...apis.map((name) => service(name, "api", { CACHE_ADDR: cache, API_LISTEN: `unix:${socketOf(name)}` })),
		].map((child) => child.pid!);
		// While one of them is away the other one answers for it.
		await until(listening(apis.map(socketOf), signal));
		await until(ready(`${url}/readyz`, signal));
		await until(ready(`${url}/payments-summary`, signal));
		async function killCache(): Promise<void> {
			const killed = cacheProcess;
			killed.kill("SIGKILL");
			await started.find(({ child }) => child === killed)!.exited;
			cacheProcess = startCache();
			pids[pids.indexOf(killed.pid!)] = cacheProcess.pid!;
		}
		return { url, defaultUrl, fallbackUrl, pids, killCache, close };
	} catch (error) {
		await close();
		throw new Error(`the deployment did not get ready: ${(error as Error).message}; see ${logPath}`, { cause: error });
	}
}

/** The project's own, with its paths and its port moved; resolves to its place. */
export async function writeNginxConf(folder: string, port: number): Promise<string> {
	const moved = (await readFile(nginxConf, "utf8"))
		.replaceAll(/\/(run\/payrelay|tmp)\//g, `${folder}/`)
		.replace("listen 9999", `listen 127.0.0.1:${port}`);
	const path = join(folder, "nginx.conf");
	await writeFile(path, moved);
	return path;
}
