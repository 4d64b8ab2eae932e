// What the api's server spends on a plain payment, with and without its fast path, in turns; the store answers at once.
//
// node --single-threaded --no-turbofan bench/fast-path.ts 500    payments/s
import { fork } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { createApi } from "../src/api/api.ts";
import { serveApi } from "../src/api/serve.ts";
import { systemClock } from "../src/clock.ts";
import { EnqueueOutcome } from "../src/gen/payrelay/v1/queue_service_pb.ts";
import { StatsService } from "../src/gen/payrelay/v1/stats_service_pb.ts";

const ways = ["fast path", "node:http"] as const;
const rounds = 3;
const warmUpCount = 10_000;
const seconds = 4;
const connectionCount = 32;
const body = '{"correlationId":"0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5e","amount":19.90}';
const request = `POST /payments HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** In a process of its own: tells its port, and on each message the CPU that it has used, µs. */
async function serve(way: string): Promise<void> {
	const { app, acceptPayment } = createApi({
		enqueue: async () => EnqueueOutcome.ACCEPTED,
		stats: createClient(
			StatsService,
			createRouterTransport(() => {}),
		),
		clock: systemClock,
		onFault: (error) => {
			throw error;
		},
	});
	const options = way === "fast path" ? { acceptPayment } : {};
	const { address } = await serveApi(app.fetch, { host: "127.0.0.1", port: 0 }, options);
	process.on("message", () => {
		const { user, system } = process.cpuUsage();
		process.send!(user + system);
	});
	process.on("disconnect", () => process.exit());
	process.send!(Number(new URL(address).port));
}

/** Resolves once so many were answered; one at a time on each connection. */
async function send(sockets: readonly Socket[], count: number, gapMs: number): Promise<void> {
	const startedMs = performance.now();
	const answers: Promise<unknown>[] = [];
	for (let n = 0; n < count; n++) {
		const aheadMs = n * gapMs - (performance.now() - startedMs);
		if (aheadMs > 0) await systemClock.sleep(aheadMs);
		const socket = sockets[n % sockets.length]!;
		if (n >= sockets.length) await answers[n - sockets.length];
		answers.push(once(socket, "data"));
		socket.write(request);
	}
	await Promise.all(answers);
}

/** µs of CPU a payment. */
async function measure(way: string, rate: number): Promise<number> {
	const child = fork(import.meta.filename, ["serve", way], { stdio: "inherit" });
	const [port] = (await once(child, "message")) as [number];
	const sockets = Array.from({ length: connectionCount }, () => connect(port, "127.0.0.1"));
	await Promise.all(sockets.map((socket) => once(socket, "connect")));
	const used = async (): Promise<number> => {
		child.send("used?");
		return ((await once(child, "message")) as [number])[0];
	};
	await send(sockets, warmUpCount, 0);
	const before = await used();
	await send(sockets, seconds * rate, 1_000 / rate);
	const after = await used();
	for (const socket of sockets) socket.destroy();
	child.disconnect();
	return (after - before) / (seconds * rate);
}

if (process.argv[2] === "serve") {
	await serve(process.argv[3]!);
} else {
	const rate = Number(process.argv[2] ?? 500);
	for (let round = 1; round <= rounds; round++)
		for (const way of ways)
			process.stdout.write(`${way.padEnd(10)} ${(await measure(way, rate)).toFixed(0)} us a payment\n`);
}
