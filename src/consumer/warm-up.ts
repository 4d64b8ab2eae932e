// Runs the path of a payment before the consumer takes any, so that its first ones do not wait for cold code.
//
// A consumer of its own charges payments of a queue that has as many as it likes, at a processor that charges at once;
// both are here, and are reached as the real ones are. Cold, a payment costs three to five times the CPU of later ones.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient } from "@connectrpc/connect";
import type { Clock } from "../clock.ts";
import { ProcessorService } from "../gen/payrelay/v1/processor_service_pb.ts";
import {
	type Job,
	PinOutcome,
	type PinResponse,
	QueueService,
	ReleaseOutcome,
} from "../gen/payrelay/v1/queue_service_pb.ts";
import { SettleOutcome, StatsService } from "../gen/payrelay/v1/stats_service_pb.ts";
import { pinBatches, releaseBatches, settleBatches } from "../rpc/batch-methods.ts";
import { serveBatches } from "../rpc/batch-server.ts";
import type { Routes } from "../rpc/carrier.ts";
import { connectHttp2 } from "../rpc/http2-client.ts";
import { serveHttp2 } from "../rpc/http2-server.ts";
import type { WarmUpBounds } from "../warm-up-bounds.ts";
import { createConsumer } from "./consumer.ts";
import { createGateway } from "./gateway.ts";
import { unpaced } from "./pace.ts";
import { connectQueue } from "./queue.ts";
import type { ConsumerSettings } from "./settings.ts";

/** On a whole core the payments are done in about a second; on a part of one the time ends it. */
export const warmUpBounds: WarmUpBounds = { ms: 5_000, payments: 4_000 };

const host = "127.0.0.1";
/** Worked on at the same time; about what there is under load. */
const jobsAtOnce = 16;
const leaseMs = 60_000;
const closeMs = 100;

/** Resolves to how many payments were settled. */
export async function warmUp(settings: ConsumerSettings, clock: Clock, bounds: WarmUpBounds): Promise<number> {
	const over = new AbortController();
	const scratch = createScratchQueue(bounds.payments, () => over.abort());
	const cancel = clock.after(bounds.ms, () => over.abort());
	const processor = createServer((_, answer) => {
		answer.setHeader("content-type", "application/json").end('{"message":"payment processed successfully"}');
	});
	await once(processor.listen({ host, port: 0 }), "listening");
	const cache = await serveHttp2({ routes: scratch.routes, addresses: [`${host}:0`], clock, onFault: ignore });
	const rpc = connectHttp2(cache.addresses[0]!);
	const queue = connectQueue(rpc.transport, clock, Math.random, ignore);
	const url = `http://${host}:${(processor.address() as AddressInfo).port}`;
	const gateway = createGateway({ urls: { default: url, fallback: url }, connectionsMax: jobsAtOnce });
	const processors = createClient(ProcessorService, rpc.transport);
	const consumer = createConsumer({
		stream: createClient(QueueService, rpc.transport),
		health: processors,
		reports: processors,
		queue: queue.queue,
		gateway,
		session: "warm-up",
		clock,
		pace: unpaced,
		random: Math.random,
		settings,
		log: { info: ignore, warn: ignore, error: ignore },
	});
	if (!over.signal.aborted) await once(over.signal, "abort");
	cancel();
	await consumer.close(closeMs);
	await Promise.all([queue.close(closeMs), gateway.close()]);
	rpc.close();
	await cache.close(0);
	processor.closeAllConnections();
	processor.close();
	return scratch.settled();
}

/** Gives a job for each that was settled, until there were `payments`; one that comes back is given again. */
function createScratchQueue(payments: number, onEnd: () => void): { routes: Routes; settled: () => number } {
	const settled = new Set<string>();
	const returned: string[] = [];
	let tokens = 0;
	let begun = 0;
	let due = jobsAtOnce;
	let wake = (): void => {};

	function nextJobs(): Job[] {
		const jobs: Job[] = [];
		for (; due > 0 && (returned.length > 0 || begun < payments); due--) {
			const id = returned.pop() ?? newPayment();
			jobs.push({
				$typeName: "payrelay.v1.Job",
				id,
				amountCents: 1990n,
				token: BigInt(++tokens),
				epoch: 1n,
				attempts: 0,
				waitedMs: 0,
			});
		}
		return jobs;
	}

	function newPayment(): string {
		begun++;
		return crypto.randomUUID();
	}

	return {
		settled: () => settled.size,
		routes(router) {
			router.service(QueueService, {
				async *dequeueBatch(_, { signal }) {
					signal.addEventListener("abort", () => wake(), { once: true });
					yield { leaseMs, inFlightMax: jobsAtOnce };
					while (!signal.aborted) {
						const jobs = nextJobs();
						if (jobs.length > 0) yield { jobs };
						else
							await new Promise<void>((resolve) => {
								wake = resolve;
							});
					}
				},
				renew: () => ({ lost: [] }),
				pinStream: serveBatches(pinBatches, async (items) => items.map(pinned)),
				// On a starved machine even this processor may seem to be away.
				releaseStream: serveBatches(releaseBatches, async (items) => {
					for (const { id } of items) returned.push(id);
					due += items.length;
					wake();
					return items.map(() => ReleaseOutcome.RELEASED);
				}),
			});
			router.service(StatsService, {
				insertStatsStream: serveBatches(settleBatches, async (items) => {
					for (const { id } of items) settled.add(id);
					due += items.length;
					if (settled.size >= payments) onEnd();
					wake();
					return items.map(() => SettleOutcome.SETTLED);
				}),
			});
		},
	};
}

function pinned(): PinResponse {
	return {
		$typeName: "payrelay.v1.PinResponse",
		outcome: PinOutcome.PINNED,
		requestedAtUs: 1_700_000_000_000_000n,
	};
}

/** What goes wrong shows in how many were settled. */
function ignore(): void {}
