// A real RabbitMQ for the tests: a node of its own, with its own ports and folder, that can be stopped, killed and started again.
import { type ExecFileException, execFile, type StdioOptions, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "../../src/bench/free-ports.ts";

const run = promisify(execFile);

export interface Broker {
	/** `amqp://guest:guest@127.0.0.1:port`. */
	readonly url: string;
	readonly port: number;
	/** Ends the node at once, as `kill -9` does, or in order. Its folder stays. */
	kill(): Promise<void>;
	stop(): Promise<void>;
	/** Starts it again, on the same port with what it had on disk. */
	start(): Promise<void>;
	/** What `rabbitmqctl` prints. A call takes a second or two. */
	ctl(...words: string[]): Promise<string>;
	/** Ends it and removes its folder. */
	remove(): Promise<void>;
}

export interface BrokerOptions {
	/** Lines of rabbitmq.conf. */
	readonly config?: readonly string[];
}

/** Debian's scripts, without the wrapper that insists on another user. */
const programs = ["/usr/lib/rabbitmq/bin", "/usr/local/lib/rabbitmq/bin", "/opt/rabbitmq/sbin"].find((folder) =>
	existsSync(join(folder, "rabbitmq-server")),
);
const startMs = 60_000;
const stopMs = 20_000;
/** On a busy machine the tool's own runtime was seen to hang, once in some thousand calls: it is ended, and called again. */
const ctlMs = 15_000;
const ctlTries = 4;

export const brokerInstalled = programs !== undefined;

export async function startBroker({ config = [] }: BrokerOptions = {}): Promise<Broker> {
	if (programs === undefined) throw new Error("no rabbitmq-server is installed");
	const folder = await mkdtemp(join(tmpdir(), "broker-"));
	const [port, distribution, epmd] = (await freePorts(3)) as [number, number, number];
	const home = join(folder, "home");
	await mkdir(home);
	const conf = [
		"log.console = false",
		"vm_memory_high_watermark.absolute = 1GB",
		"disk_free_limit.absolute = 50MB",
		...config,
	];
	await writeFile(join(folder, "rabbitmq.conf"), `${conf.join("\n")}\n`);
	await writeFile(join(folder, "plugins"), "[].\n");
	const env = {
		...process.env,
		HOME: home,
		RABBITMQ_NODENAME: `payrelay${port}@localhost`,
		RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
		RABBITMQ_NODE_PORT: String(port),
		RABBITMQ_DIST_PORT: String(distribution),
		RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq.conf"),
		RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "plugins"),
		RABBITMQ_MNESIA_BASE: join(folder, "data"),
		RABBITMQ_LOG_BASE: join(folder, "log"),
		RABBITMQ_PID_FILE: join(folder, "pid"),
		ERL_EPMD_PORT: String(epmd),
		ERL_EPMD_ADDRESS: "127.0.0.1",
		ERL_CRASH_DUMP: join(folder, "crash.dump"),
		// Two cores are shared with all that is tested.
		RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
	};
	let running: ReturnType<typeof spawn> | undefined;
	/** It takes connections before its tool can be used. */
	let started: Promise<unknown> | undefined;

	async function start(): Promise<void> {
		const stdio: StdioOptions = ["ignore", "pipe", "pipe"];
		const node = spawn(join(programs!, "rabbitmq-server"), { env, cwd: folder, detached: true, stdio });
		const output = createWriteStream(join(folder, "output"), { flags: "a" });
		node.stdout!.pipe(output, { end: false });
		node.stderr!.pipe(output, { end: false });
		running = node;
		started = undefined;
		const until = Date.now() + startMs;
		while (!(await answers(port))) {
			if (node.exitCode !== null || Date.now() > until)
				throw new Error(`the broker does not start:\n${await readFile(join(folder, "output"), "utf8")}`);
			await new Promise((resolve) => setTimeout(resolve, 50));
		}
	}

	async function end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
		const node = running;
		if (node === undefined || node.exitCode !== null || node.signalCode !== null) return;
		running = undefined;
		const exited = once(node, "exit");
		// The script waits for the runtime that it started: both are in one process group.
		process.kill(-node.pid!, signal);
		const cut = setTimeout(() => process.kill(-node.pid!, "SIGKILL"), stopMs);
		await exited;
		clearTimeout(cut);
		while (await answers(port)) await new Promise((resolve) => setTimeout(resolve, 20));
	}

	async function ctl(...words: string[]): Promise<string> {
		for (let tries = 1; ; tries++)
			try {
				const { stdout } = await run(join(programs!, "rabbitmqctl"), ["-q", ...words], { env, timeout: ctlMs });
				return stdout;
			} catch (error) {
				if (!(error as ExecFileException).killed || tries === ctlTries) throw error;
			}
	}

	function removeNow(): void {
		if (running?.pid !== undefined)
			try {
				process.kill(-running.pid, "SIGKILL");
			} catch {
				// It had ended.
			}
		spawnSync("epmd", ["-port", String(epmd), "-kill"], { env, stdio: "ignore" });
	}
	process.once("exit", removeNow);

	await start();
	return {
		url: `amqp://guest:guest@127.0.0.1:${port}`,
		port,
		start,
		kill: () => end("SIGKILL"),
		stop: () => end("SIGTERM"),
		async ctl(...words) {
			started ??= ctl("await_startup");
			await started;
			return ctl(...words);
		},
		async remove() {
			await end("SIGKILL");
			removeNow();
			process.off("exit", removeNow);
			await rm(folder, { recursive: true, force: true, maxRetries: 5 });
		},
	};
}

/** The broker that the tests of a run share, where they do not stop it. */
export function sharedBrokerUrl(): string {
	const url = process.env.PAYRELAY_TEST_AMQP_URL;
	if (url === undefined) throw new Error("the shared broker was not started: run the tests by their project, amqp");
	return url;
}

/** It greets nobody: a client speaks first, and it answers with a frame or a header. */
function answers(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect(port, "127.0.0.1");
		const end = (answer: boolean) => {
			socket.destroy();
			resolve(answer);
		};
		socket.setTimeout(1000, () => end(false));
		socket.once("connect", () => socket.write("AMQP\0\0\x09\x01"));
		socket.once("data", () => end(true));
		socket.once("error", () => end(false));
		socket.once("close", () => end(false));
	});
}
