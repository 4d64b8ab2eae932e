// What a payment of a backlog costs the consumer: bytes, collections, CPU, and how late the books hear of it.
//
// node bench/consumer-garbage.ts [--count 15000] [--runs 3] [--flags="…"] [--limit "COMMAND"]
// A consumer with the image's flags, or with `--flags`, drains a backlog of a cache at a simulated processor, each of them
// in a process of its own. Its bytes hardly depend on what else the machine does. `--limit`: as the bench has it; without
// it the consumer takes a whole CPU.
//
// allocated: all objects; copied: what a collection of the nursery met alive for the first time; promoted: for the second
// time, so that only a full collection frees it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createClient, type Transport } from "@connectrpc/connect";
import { budget, imageFlags, instrumentFlags } from "../src/bench/deployment.ts";
import { freePorts } from "../src/bench/free-ports.ts";
import { createHttp } from "../src/bench/http.ts";
import { benchedCommand } from "../src/bench/launch.ts";
import { createSampler } from "../src/bench/processes.ts";
import { createProcessorClient } from "../src/bench/processor-client.ts";
import { systemClock } from "../src/clock.ts";
import { EnqueueOutcome } from "../src/gen/payrelay/v1/queue_service_pb.ts";
import { StatsService } from "../src/gen/payrelay/v1/stats_service_pb.ts";
import { createBatchClient } from "../src/rpc/batch-client.ts";
import { enqueueBatches } from "../src/rpc/batch-methods.ts";
import { connectHttp2 } from "../src/rpc/http2-client.ts";
import { supervisedVariable } from "../src/service-process.ts";

/** One line of `--trace-gc-nvp`. */
interface Collection {
	/** Since its process began. */
	readonly atMs: number;
	readonly full: boolean;
	/** CPU, that of the steps between payments included. */
	readonly ms: number;
	readonly bytesBefore: number;
	readonly bytesAfter: number;
	readonly promoted: number;
	readonly copied: number;
}

const { values } = parseArgs({
	options: {
		count: { type: "string", default: "15000" },
		runs: { type: "string", default: "3" },
		flags: { type: "string", default: [...imageFlags, ...budget.consumer.flags].join(" ") },
		limit: { type: "string" },
	},
});
const count = Number(values.count);
const consumerFlags = [...values.flags.split(" ").filter(Boolean), "--trace-gc-nvp"];
const { cpus, memoryMb } = budget.consumer;
const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const precompile = fileURLToPath(new URL("../src/precompile.ts", import.meta.url));
const processorToken = "123";
const well = { delayMs: 0, failing: false };
const failing = { delayMs: 0, failing: true };
/** Until the consumer has in hand what it may have, and waits for a processor. */
const settleMs = 3_000;
const pollMs = 20;
/** A consumer tells its figures every 2 s. */
const figuresMs = 2_500;

const folder = await mkdtemp(join(tmpdir(), "payrelay-garbage-"));
try {
	await compile();
	for (let run = 1; run <= Number(values.runs); run++)
		process.stdout.write(`${JSON.stringify(await drain(join(folder, String(run))))}\n`);
} finally {
	await rm(folder, { recursive: true, force: true });
}

/** As the image does when it is built: for what is not compiled before, a stripper of types is loaded, and stays. */
async function compile(): Promise<void> {
	for (const [module, ...words] of [[precompile], [main, "--help"]] as const)
		await once(run(benchedCommand(module, words, consumerFlags), {}, "ignore"), "exit");
}

function run(command: readonly string[], env: Record<string, string>, out: "pipe" | "ignore"): ChildProcess {
	const [program, ...words] = command as [string, ...string[]];
	const shared = { NODE_COMPILE_CACHE: join(folder, "compiled"), LOG_LEVEL: "warn", [supervisedVariable]: "1" };
	return spawn(program, words, { env: { ...process.env, ...shared, ...env }, stdio: ["pipe", out, "inherit"] });
}

/** One drain, with processes of its own. */
async function drain(dataDir: string) {
	const children: ChildProcess[] = [];
	const collections: Collection[] = [];
	const [rpcPort, defaultPort, fallbackPort] = (await freePorts(3)) as [number, number, number];
	const cacheSocket = join(folder, "cache.sock");
	const urls = [`http://127.0.0.1:${defaultPort}`, `http://127.0.0.1:${fallbackPort}`] as const;
	const env = {
		DATA_DIR: dataDir,
		RPC_SOCKET: cacheSocket,
		RPC_ADDR: `127.0.0.1:${rpcPort}`,
		CACHE_ADDR: `unix:${cacheSocket}`,
		PROCESSOR_DEFAULT_PORT: String(defaultPort),
		PROCESSOR_FALLBACK_PORT: String(fallbackPort),
		PROCESSOR_DEFAULT_URL: urls[0],
		PROCESSOR_FALLBACK_URL: urls[1],
	};

	/** Resolves once the service says that it is ready. */
	function start(words: readonly string[], flags: readonly string[], limit: readonly string[] = []) {
		const child = run([...limit, ...benchedCommand(main, words, flags)], env, "pipe");
		children.push(child);
		return new Promise<ChildProcess>((resolve, reject) => {
			let cut = "";
			child.stdout!.setEncoding("utf8").on("data", (chunk: string) => {
				const lines = (cut + chunk).split("\n");
				cut = lines.pop()!;
				for (const line of lines) {
					if (line.includes(" ready ")) resolve(child);
					const collection = readCollection(line);
					if (collection) collections.push(collection);
				}
			});
			child.once("exit", (code, signal) => reject(new Error(`${words.join(" ")} ended with ${signal ?? code}`)));
		});
	}

	await Promise.all([
		start(["processor", "default"], instrumentFlags),
		start(["processor", "fallback"], instrumentFlags),
		start(["cache"], [...imageFlags, ...budget.cache.flags]),
	]);
	const https = urls.map((url) => createHttp(url, { "x-rinha-token": processorToken }));
	const processors = https.map((http) => createProcessorClient(http, processorToken));
	const setAll = (condition: typeof well) => Promise.all(processors.map((one) => one.set(condition)));
	const stored = async (): Promise<number> => {
		const figures = await Promise.all(processors.map((one) => one.figures()));
		return figures.reduce((sum, one) => sum + one!.stored, 0);
	};
	await setAll(failing);
	const rpc = connectHttp2(env.CACHE_ADDR);
	const limit = values.limit === undefined ? [] : [...values.limit.split(" "), "garbage", `${cpus}`, `${memoryMb}`];
	const spawnedMs = performance.now();
	const consumer = await start(["consumer"], consumerFlags, limit);
	const sampler = createSampler([consumer.pid!]);
	const sample = () => sampler.sample().find(({ pid }) => pid === consumer.pid)!;
	await enqueue(rpc.transport);
	await systemClock.sleep(settleMs);

	const { cpuMs } = sample();
	const fromMs = performance.now();
	await setAll(well);
	while ((await stored()) < count) await systemClock.sleep(pollMs);
	const tookMs = performance.now() - fromMs;
	const usedMs = sample().cpuMs - cpuMs;
	await systemClock.sleep(figuresMs);
	const { consumerFigures } = await createClient(StatsService, rpc.transport).figures({});
	const { rssBytes } = sample();

	rpc.close();
	await Promise.all(https.map((http) => http.close()));
	// What V8 prints comes when its buffer is full, and the rest at the end.
	for (const child of children.reverse()) await stop(child);
	const atMs = fromMs - spawnedMs;
	return {
		"payments/s": Math.round((count / tookMs) * 1000),
		"CPU us a payment": Math.round((usedMs * 1000) / count),
		...told(collections, atMs, atMs + tookMs),
		"answer to commit, p50 and p99 ms": [
			Math.round(consumerFigures[0]!.answerToCommit!.p50Ms),
			Math.round(consumerFigures[0]!.answerToCommit!.p99Ms),
		],
		"RSS MiB": Math.round(rssBytes / 2 ** 20),
	};
}

async function enqueue(transport: Transport): Promise<void> {
	const client = createBatchClient({
		transport,
		batches: enqueueBatches,
		clock: systemClock,
		random: Math.random,
		bounds: { deadlineMs: 60_000, pendingMax: count },
	});
	const payment = () => ({
		$typeName: "payrelay.v1.EnqueueRequest" as const,
		id: crypto.randomUUID(),
		amountCents: 1990n,
	});
	const outcomes = await Promise.all(Array.from({ length: count }, () => client.call(payment())));
	if (outcomes.some((outcome) => outcome !== EnqueueOutcome.ACCEPTED)) throw new Error("a payment was not accepted");
	await client.close(0);
}

async function stop(child: ChildProcess): Promise<void> {
	child.removeAllListeners("exit");
	const ended = once(child, "close");
	child.kill("SIGTERM");
	await ended;
}

function readCollection(line: string): Collection | undefined {
	const [, atMs, pauseMs] = /^\[[\w:]+\] +(\d+) ms: pause=([\d.]+)/.exec(line) ?? [];
	if (atMs === undefined) return undefined;
	const figure = (name: string): number => Number(new RegExp(` ${name}=([\\d.]+)`).exec(line)?.[1] ?? 0);
	const full = !line.includes(" gc=s ");
	return {
		atMs: Number(atMs),
		full,
		ms: Number(pauseMs) + (full ? figure("incremental") : 0),
		bytesBefore: figure("start_object_size"),
		bytesAfter: figure("end_object_size"),
		promoted: figure("promoted"),
		copied: figure("new_space_survived"),
	};
}

function told(collections: readonly Collection[], fromMs: number, toMs: number): Record<string, unknown> {
	const between = collections
		.map((one, i) => ({ ...one, allocated: one.bytesBefore - (collections[i - 1]?.bytesAfter ?? 0) }))
		.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
	const fulls = between.filter(({ full }) => full);
	const young = between.filter(({ full }) => !full);
	const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
	return {
		"allocated bytes a payment": Math.round(sum(between.map(({ allocated }) => allocated)) / count),
		"copied bytes a payment": Math.round(sum(young.map(({ copied }) => copied)) / count),
		"promoted bytes a payment": Math.round(sum(young.map(({ promoted }) => promoted)) / count),
		"collections of the nursery": young.length,
		"their ms": Math.round(sum(young.map(({ ms }) => ms))),
		"full collections, ms": fulls.map(({ ms }) => Math.round(ms)),
	};
}
