// What a payment costs on the stream of batches: CPU of client and server, each in a process of its own.
//
// node bench/batch-stream.ts [callers] [seconds] [--no-validation]: so many callers, each with one call under way.
import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { systemClock } from "../src/clock.ts";
import { EnqueueOutcome, EnqueueRequestSchema, QueueService } from "../src/gen/payrelay/v1/queue_service_pb.ts";
import { createBatchClient } from "../src/rpc/batch-client.ts";
import { enqueueBatches } from "../src/rpc/batch-methods.ts";
import { serveBatches } from "../src/rpc/batch-server.ts";
import { edgeInterceptors } from "../src/rpc/edge.ts";
import { connectHttp2 } from "../src/rpc/http2-client.ts";
import { serveHttp2 } from "../src/rpc/http2-server.ts";
import { createValidation } from "../src/rpc/validate.ts";

const warmUpMs = 2000;

if (process.send) await serve(process.argv[2]!, process.argv[3] === "validated");
else
	await drive(Number(process.argv[2] ?? 64), Number(process.argv[3] ?? 3), !process.argv.includes("--no-validation"));

async function serve(address: string, validated: boolean): Promise<void> {
	await serveHttp2({
		routes(router) {
			router.service(QueueService, {
				enqueueStream: serveBatches(enqueueBatches, async (items) => items.map(() => EnqueueOutcome.ACCEPTED)),
			});
		},
		interceptors: validated ? edgeInterceptors(createValidation(), () => {}) : [],
		addresses: [address],
		clock: systemClock,
		onFault() {},
	});
	process.on("message", () => process.send!(process.cpuUsage()));
	process.on("disconnect", () => process.exit(0));
	process.send!("ready");
}

async function drive(callers: number, seconds: number, validated: boolean): Promise<void> {
	const path = join(tmpdir(), `batch-stream-${process.pid}.sock`);
	const address = `unix:${path}`;
	const server = fork(import.meta.filename, [address, validated ? "validated" : "plain"]);
	const told = () =>
		new Promise<NodeJS.CpuUsage>((resolve) => server.once("message", (message) => resolve(message as never)));
	await told();
	const client = createBatchClient({
		transport: connectHttp2(address).transport,
		batches: enqueueBatches,
		clock: systemClock,
		random: Math.random,
		bounds: { deadlineMs: 10_000, pendingMax: 100_000 },
	});
	let calls = 0;
	let going = true;
	async function caller(): Promise<void> {
		const item = create(EnqueueRequestSchema, { id: randomUUID(), amountCents: 1990n });
		for (; going; calls++) await client.call(item);
	}
	const running = Array.from({ length: callers }, caller);
	await systemClock.sleep(warmUpMs);

	const read = async () => {
		server.send("cpu");
		return {
			server: await told(),
			client: process.cpuUsage(),
			calls,
			batches: client.figures().batchesSent,
			ms: performance.now(),
		};
	};
	const from = await read();
	await systemClock.sleep(seconds * 1000);
	const to = await read();
	going = false;
	await Promise.all(running);
	await client.close(1000);
	server.disconnect();
	rmSync(path, { force: true });

	const done = to.calls - from.calls;
	const cpuUs = (side: "server" | "client") => to[side].user + to[side].system - from[side].user - from[side].system;
	const figures = {
		callers,
		"payments/s": Math.round(done / ((to.ms - from.ms) / 1000)),
		"payments/batch": Number((done / (to.batches - from.batches)).toFixed(1)),
		"client us": Number((cpuUs("client") / done).toFixed(2)),
		"server us": Number((cpuUs("server") / done).toFixed(2)),
	};
	process.stdout.write(`${JSON.stringify(figures)}\n`);
	process.exit(0);
}
