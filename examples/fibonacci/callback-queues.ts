// What a callback queue per client costs beside one per request: the same calls both ways, in one table.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { systemClock } from "../../src/clock.ts";
import { selfCommand } from "../../src/runtime.ts";
import { amqpUrls, integer } from "../../src/setting-values.ts";
import { startMeter } from "../calls/meter.ts";
import { connectBroker, defaultAmqpUrl } from "./broker.ts";
import { type CallbackQueues, createFibonacciClient } from "./client.ts";

/** Calls before what is measured, so that it is not the compiler. */
const warmUpCalls = 200;
const callsMax = 999_999_999;
const concurrency = 64;
/** The server lives no longer. */
const serverMaxMs = 10 * 60_000;
const n = 30;

interface Row {
	readonly callbackQueues: CallbackQueues;
	readonly p50Ms: number;
	readonly p99Ms: number;
	readonly perSecond: number;
	readonly cpuUs: number;
	readonly sentBytes: number;
	readonly receivedBytes: number;
}

const options = new Command("callback-queues")
	.description("Measures calls with one callback queue per client and with one per request.")
	.option("--amqp-url <url>", "amqp://[user[:password]@]host[:port][/vhost]", amqpUrls(), defaultAmqpUrl)
	.option("--calls <count>", "calls of each kind: one after another, and 64 at a time", integer(1, callsMax), 1_000)
	.parse()
	.opts<{ amqpUrl: string; calls: number }>();
const { calls } = options;

const used = startMeter();
const queue = `fibonacci.${crypto.randomUUID()}`;
const server = await startServer();
const rows: Row[] = [];
for (const callbackQueues of ["one per client", "one per request"] as const) rows.push(await measure(callbackQueues));
server.kill("SIGTERM");
await once(server, "exit");
await deleteQueue();
print(rows);

async function measure(callbackQueues: CallbackQueues): Promise<Row> {
	const connection = await connectBroker(options.amqpUrl, `fibonacci client, ${callbackQueues}`);
	const client = createFibonacciClient({ connection, clock: systemClock, queue, callbackQueues });
	for (let i = 0; i < warmUpCalls; i++) await client.call(n);
	const before = used();
	const latencies: number[] = [];
	for (let i = 0; i < calls; i++) {
		const started = systemClock.monotonic();
		await client.call(n);
		latencies.push(systemClock.monotonic() - started);
	}
	const after = used();
	latencies.sort((a, b) => a - b);
	const started = systemClock.monotonic();
	let left = calls;
	const caller = async () => {
		while (left-- > 0) await client.call(n);
	};
	await Promise.all(Array.from({ length: concurrency }, caller));
	const perSecond = (calls / (systemClock.monotonic() - started)) * 1000;
	await client.close();
	await connection.close();
	return {
		callbackQueues,
		p50Ms: latencies[Math.floor(calls * 0.5)]!,
		p99Ms: latencies[Math.floor(calls * 0.99)]!,
		perSecond,
		cpuUs: (after.cpuUs - before.cpuUs) / calls,
		sentBytes: (after.sentBytes - before.sentBytes) / calls,
		receivedBytes: (after.receivedBytes - before.receivedBytes) / calls,
	};
}

/** A process of its own, so that only the caller is measured here. */
async function startServer() {
	const file = fileURLToPath(new URL("serve.ts", import.meta.url));
	const words = ["--quiet", "--amqp-url", options.amqpUrl, "--queue", queue, "--kind", "transient"];
	const [program, ...rest] = selfCommand(file, [...words, "--prefetch", String(concurrency)]);
	const child = spawn(program, rest, { stdio: ["ignore", "pipe", "inherit"], timeout: serverMaxMs });
	await once(createInterface({ input: child.stdout }), "line");
	return child;
}

async function deleteQueue(): Promise<void> {
	const connection = await connectBroker(options.amqpUrl, "fibonacci clean-up");
	const channel = connection.channel({ prefetch: 1 });
	await channel.ready();
	await channel.session!.channel.deleteQueue(queue);
	await connection.close();
}

function print(rows: readonly Row[]): void {
	const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
	const heads = ["callback queue", "serial p50 ms", "p99 ms", `calls/s, ${concurrency} at a time`];
	const costs = ["caller's CPU µs a call", "bytes sent a call", "received"];
	process.stdout.write(line([...heads, ...costs]));
	process.stdout.write(line([...heads, ...costs].map(() => "---")));
	for (const row of rows)
		process.stdout.write(
			line([
				row.callbackQueues,
				row.p50Ms.toFixed(2),
				row.p99Ms.toFixed(2),
				row.perSecond.toFixed(0),
				row.cpuUs.toFixed(0),
				row.sentBytes.toFixed(0),
				row.receivedBytes.toFixed(0),
			]),
		);
}
