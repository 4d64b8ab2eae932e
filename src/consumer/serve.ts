// The consumer as a process: the queue over the carrier, the processors over HTTP/1.1, and settings by name.
import { Code, createClient } from "@connectrpc/connect";
import { systemClock } from "../clock.ts";
import { cpuQuota } from "../control-group.ts";
import { ProcessorService } from "../gen/payrelay/v1/processor_service_pb.ts";
import { QueueService } from "../gen/payrelay/v1/queue_service_pb.ts";
import type { Logger } from "../log.ts";
import type { Processor } from "../payment/payment.ts";
import { type CarrierSettings, connectCarrier } from "../rpc/connect-carrier.ts";
import { collectGarbage, collectSeldom } from "../runtime.ts";
import { createConsumer } from "./consumer.ts";
import { createGateway } from "./gateway.ts";
import { watchLulls } from "./lulls.ts";
import { createPace } from "./pace.ts";
import { connectQueue } from "./queue.ts";
import { type ConsumerSettings, consumerDefaults } from "./settings.ts";
import { warmUp, warmUpBounds } from "./warm-up.ts";

export interface ConsumerProcessSettings extends CarrierSettings {
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
}

/**
 * Charges open towards one processor, whatever the settings, but for those of payments in doubt, which come beside them:
 * processors carry out 800 at a time, others' too.
 */
const inFlightCeiling = 768;
/** At each processor at a time. */
const healthCalls = 1;
/** Of the time for stopping, the part that what is in flight has to end by itself. */
const drainPart = 0.5;
/** And the part for answers of the queue that are still to come then. */
const answersPart = 0.1;

export async function serveConsumer(settings: ConsumerProcessSettings, log: Logger): Promise<RunningConsumer> {
	const clock = systemClock;
	const consumerSettings = toConsumerSettings(settings);
	log.debug({ madeUp: await warmUp(consumerSettings, clock, warmUpBounds) }, "warmed up on made-up payments");
	collectSeldom();
	const rpc = await connectCarrier(settings, "consumer", {
		clock,
		onFault: (error, what) => log.warn({ reason: error.message }, what),
	});
	const queue = connectQueue(rpc.transport, clock, Math.random, (error, what) => {
		// Where the cache is away the stream of jobs says so, once for all.
		const level = error.code === Code.Unavailable ? "debug" : "warn";
		log[level]({ reason: error.message }, `the stream of ${what} broke; it is opened again`);
	});
	const { limiter } = consumerSettings;
	const connectionsMax = limiter.ceiling + limiter.pursuitsMax + healthCalls;
	const gateway = createGateway({ urls: settings.urls, connectionsMax });
	const processors = createClient(ProcessorService, rpc.transport);
	const consumer = createConsumer({
		stream: createClient(QueueService, rpc.transport),
		health: processors,
		reports: processors,
		queue: queue.queue,
		gateway,
		session: crypto.randomUUID(),
		clock,
		pace: createPace({ clock, quota: cpuQuota(), usedMs: cpuUsedMs }),
		random: Math.random,
		settings: consumerSettings,
		log,
	});
	const settled = (): number => consumer.figures().ends.settled;
	const stopWatching = watchLulls({ clock, settled, onLull: collectGarbage });
	return {
		address: `${rpc.address} to ${settings.urls.default} and ${settings.urls.fallback}`,
		async close() {
			stopWatching();
			await consumer.close(settings.stopMs * drainPart);
			await Promise.all([queue.close(settings.stopMs * answersPart), gateway.close()]);
			await rpc.close();
		},
	};
}

function cpuUsedMs(): number {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1000;
}

function toConsumerSettings(settings: ConsumerProcessSettings): ConsumerSettings {
	const { fees, patienceMs, chargeDeadlineMinMs, chargeDeadlineMaxMs } = settings;
	return {
		...consumerDefaults,
		workersMax: settings.workers,
		pursuitWorkersMax: settings.pursuitWorkers,
		limiter: {
			...consumerDefaults.limiter,
			// Payments in doubt have workers of their own, and count among what is open.
			ceiling: Math.min(settings.workers + settings.pursuitWorkers, inFlightCeiling),
			pursuitsMax: settings.pursuitWorkers,
		},
		deadline: { ...consumerDefaults.deadline, chargeMinMs: chargeDeadlineMinMs, chargeMaxMs: chargeDeadlineMaxMs },
		route: { ...consumerDefaults.route, fees, patienceMs },
	};
}
