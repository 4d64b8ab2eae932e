// The consumer as a process: the queue over HTTP/2, the processors over HTTP/1.1, and settings by name.
import { createClient, type Transport } from "@connectrpc/connect";
import { type Clock, systemClock } from "../clock.ts";
import { ProcessorService } from "../gen/payrelay/v1/processor_service_pb.ts";
import {
	type PinRequest,
	type PinResponse,
	type PinStreamRequest,
	type PinStreamResponse,
	QueueService,
	type ReleaseOutcome,
	type ReleaseRequest,
	type ReleaseStreamRequest,
	type ReleaseStreamResponse,
} from "../gen/payrelay/v1/queue_service_pb.ts";
import {
	type InsertStatsStreamRequest,
	type InsertStatsStreamResponse,
	type Settlement,
	type SettleOutcome,
	StatsService,
} from "../gen/payrelay/v1/stats_service_pb.ts";
import type { Logger } from "../log.ts";
import type { Processor } from "../payment/payment.ts";
import { type BatchBounds, type BatchClient, batchDefaults, createBatchClient } from "../rpc/batch-client.ts";
import { connectHttp2 } from "../rpc/http2-client.ts";
import { createConsumer } from "./consumer.ts";
import type { ConsumerFigures } from "./figures.ts";
import { createGateway } from "./gateway.ts";
import type { Queue } from "./ports.ts";
import { createQueue } from "./queue.ts";
import { type ConsumerSettings, consumerDefaults } from "./settings.ts";

export interface ConsumerProcessSettings {
	/** Where the queue and the books are: `host:port` or `unix:PATH`. */
	readonly cache: string;
	readonly urls: Readonly<Record<Processor, string>>;
	/** What each processor takes of an amount. */
	readonly fees: Readonly<Record<Processor, number>>;
	readonly workers: number;
	readonly pursuitWorkers: number;
	readonly patienceMs: number;
	readonly chargeDeadlineMinMs: number;
	readonly chargeDeadlineMaxMs: number;
	/** How long stopping may take in all, ms. */
	readonly stopMs: number;
}

export interface RunningConsumer {
	readonly address: string;
	close(): Promise<void>;
	figures(): ConsumerFigures;
}

/** Of the time for stopping, the part that what is in flight has to end by itself. */
const drainOfStop = 0.6;

export async function serveConsumer(settings: ConsumerProcessSettings, log: Logger): Promise<RunningConsumer> {
	const clock = systemClock;
	const consumerSettings = toConsumerSettings(settings);
	const rpc = connectHttp2(settings.cache);
	const queue = connectQueue(rpc.transport, clock, Math.random);
	const { limiter, workersMax, pursuitWorkersMax } = consumerSettings;
	const connectionsMax = Math.min(limiter.ceiling, workersMax) + pursuitWorkersMax + 1;
	const gateway = createGateway({ urls: settings.urls, connectionsMax });
	const consumer = createConsumer({
		stream: createClient(QueueService, rpc.transport),
		health: createClient(ProcessorService, rpc.transport),
		queue: queue.queue,
		gateway,
		session: crypto.randomUUID(),
		clock,
		random: Math.random,
		settings: consumerSettings,
		log,
	});
	return {
		address: `${settings.cache} to ${settings.urls.default} and ${settings.urls.fallback}`,
		figures: consumer.figures,
		async close() {
			await consumer.close(settings.stopMs * drainOfStop);
			await Promise.all([queue.close(), gateway.close()]);
			rpc.close();
		},
	};
}

function toConsumerSettings(settings: ConsumerProcessSettings): ConsumerSettings {
	const { fees, patienceMs, chargeDeadlineMinMs, chargeDeadlineMaxMs } = settings;
	return {
		...consumerDefaults,
		workersMax: settings.workers,
		pursuitWorkersMax: settings.pursuitWorkers,
		limiter: { ...consumerDefaults.limiter, pursuitsMax: settings.pursuitWorkers },
		deadline: { ...consumerDefaults.deadline, chargeMinMs: chargeDeadlineMinMs, chargeMaxMs: chargeDeadlineMaxMs },
		route: { ...consumerDefaults.route, fees, patienceMs },
	};
}

/** The queue's hot calls over one transport, each over a stream of its own. */
export function connectQueue(
	transport: Transport,
	clock: Clock,
	random: () => number,
	bounds: BatchBounds = batchDefaults,
): { readonly queue: Queue; close(): Promise<void> } {
	const queue = createClient(QueueService, transport);
	const stats = createClient(StatsService, transport);
	const pins: BatchClient<PinRequest, PinResponse> = createBatchClient(
		{
			open: (requests: AsyncIterable<PinStreamRequest>, signal) => queue.pinStream(requests, { signal, timeoutMs: 0 }),
			pack: (batch, pins) => ({ $typeName: "payrelay.v1.PinStreamRequest", batch, pins }),
			unpack: ({ batch, pins }: PinStreamResponse) => ({ batch, outcomes: pins }),
		},
		clock,
		random,
		bounds,
	);
	const releases: BatchClient<ReleaseRequest, ReleaseOutcome> = createBatchClient(
		{
			open: (requests: AsyncIterable<ReleaseStreamRequest>, signal) =>
				queue.releaseStream(requests, { signal, timeoutMs: 0 }),
			pack: (batch, releases) => ({ $typeName: "payrelay.v1.ReleaseStreamRequest", batch, releases }),
			unpack: (response: ReleaseStreamResponse) => response,
		},
		clock,
		random,
		bounds,
	);
	const settles: BatchClient<Settlement, SettleOutcome> = createBatchClient(
		{
			open: (requests: AsyncIterable<InsertStatsStreamRequest>, signal) =>
				stats.insertStatsStream(requests, { signal, timeoutMs: 0 }),
			pack: (batch, settlements) => ({ $typeName: "payrelay.v1.InsertStatsStreamRequest", batch, settlements }),
			unpack: (response: InsertStatsStreamResponse) => response,
		},
		clock,
		random,
		bounds,
	);
	return {
		queue: createQueue({ pin: pins.call, release: releases.call, settle: settles.call }),
		async close() {
			await Promise.all([pins.close(), releases.close(), settles.close()]);
		},
	};
}
