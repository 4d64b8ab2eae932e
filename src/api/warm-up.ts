// Runs the path of a payment before the api takes any, so that its first callers do not wait for cold code.
//
// Payments are posted over loopback to an api of its own, whose cache accepts whatever comes. Cold, a payment costs three
// to five times the CPU of later ones, and the compilers' second stage wants each function some thousand times.
import { connect, type Socket } from "node:net";
import { createClient } from "@connectrpc/connect";
import type { Clock } from "../clock.ts";
import { EnqueueOutcome, QueueService } from "../gen/payrelay/v1/queue_service_pb.ts";
import { StatsService } from "../gen/payrelay/v1/stats_service_pb.ts";
import { createBatchClient } from "../rpc/batch-client.ts";
import { enqueueBatches } from "../rpc/batch-methods.ts";
import { serveBatches } from "../rpc/batch-server.ts";
import { connectHttp2 } from "../rpc/http2-client.ts";
import { serveHttp2 } from "../rpc/http2-server.ts";
import type { WarmUpBounds } from "../warm-up-bounds.ts";
import { createApi } from "./api.ts";
import { serveApi } from "./serve.ts";

/** On a whole core the payments are done in about a second; on a part of one the time ends it. */
export const warmUpBounds: WarmUpBounds = { ms: 5_000, payments: 6_000 };

const host = "127.0.0.1";
/** Posting at the same time; about what one api has under load. */
const connectionCount = 8;
const deadlineMs = 1_000;

/** Resolves to how many payments were accepted. */
export async function warmUp(clock: Clock, bounds: WarmUpBounds): Promise<number> {
	const accept = serveBatches(enqueueBatches, async (items) => items.map(() => EnqueueOutcome.ACCEPTED));
	const cache = await serveHttp2({
		routes: (router) => void router.service(QueueService, { enqueueStream: accept }),
		addresses: [`${host}:0`],
		clock,
		onFault: ignore,
	});
	const rpc = connectHttp2(cache.addresses[0]!);
	const payments = createBatchClient({
		transport: rpc.transport,
		batches: enqueueBatches,
		clock,
		random: Math.random,
		bounds: { deadlineMs },
	});
	const { app, acceptPayment } = createApi({
		enqueue: ({ id, amountCents }) => payments.call({ $typeName: "payrelay.v1.EnqueueRequest", id, amountCents }),
		stats: createClient(StatsService, rpc.transport),
		clock,
		onFault: ignore,
	});
	const server = await serveApi(app.fetch, { host, port: 0 }, { acceptPayment });
	try {
		return await post(Number(new URL(server.address).port), clock, bounds);
	} finally {
		await server.close(0);
		await payments.close(0);
		rpc.close();
		await cache.close(0);
	}
}

/** As a load balancer does: on connections that are kept, one request at a time on each. */
async function post(port: number, clock: Clock, bounds: WarmUpBounds): Promise<number> {
	const untilMs = clock.monotonic() + bounds.ms;
	let left = bounds.payments;
	let accepted = 0;
	const next = (socket: Socket): void => {
		if (left-- > 0 && clock.monotonic() < untilMs) socket.write(request());
		else socket.end();
	};
	const poster = (): Promise<void> =>
		new Promise((resolve) => {
			const socket = connect(port, host, () => next(socket));
			socket.on("data", (answer) => {
				// An answer without a body fits into one segment.
				if (answer.toString("latin1", 9, 12) === "202") accepted++;
				next(socket);
			});
			socket.on("error", ignore);
			socket.on("close", () => resolve());
		});
	await Promise.all(Array.from({ length: connectionCount }, poster));
	return accepted;
}

function request(): string {
	const body = `{"correlationId":"${crypto.randomUUID()}","amount":19.9}`;
	const head =
		"POST /payments HTTP/1.1\r\nHost: warm-up\r\nContent-Type: application/json\r\nAccept: */*\r\nUser-Agent: warm-up";
	return `${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** What goes wrong shows in how many were accepted. */
function ignore(): void {}
