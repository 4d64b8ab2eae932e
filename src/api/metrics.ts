// GET /metrics: this process's own counters, and the deployment's figures, which the cache is asked for at each scrape.
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { FiguresResponse } from "../gen/payrelay/v1/stats_service_pb.ts";
import { processorWords } from "../rpc/words.ts";
import { createBrokerCounter, createQueueDepths } from "./broker-metrics.ts";
import { createConsumerMetrics } from "./consumer-metrics.ts";

export interface ApiMetrics {
	readonly contentType: string;
	/** Counts an answer to anything but POST /payments. */
	countRequest(route: string, status: number): void;
	/** Counts an answer to POST /payments, and how long it took; a note now, and all notes together now and then. */
	countPayment(status: number, elapsedMs: number): void;
	/** The exposition text; `undefined` figures mean that the cache did not answer, and then none are shown. */
	expose(figures: FiguresResponse | undefined): Promise<string>;
}

/** Around what a commit takes (1 to 5 ms), up to the time after which callers give up (1.5 s). */
const latencyBucketsS = [0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 5];

/** Answers to payments that wait to be counted: that takes code that a payment itself has no use for. */
const notesMax = 128;

/** `carrier`: what this process's own calls have seen. */
export function createApiMetrics(carrier: () => Readonly<Record<string, number>> = () => ({})): ApiMetrics {
	const own = new Registry();
	// Several processes may share one port, and then each scrape reaches any of them: the label keeps their series apart.
	own.setDefaultLabels({ process: String(process.pid) });
	const requests = new Counter({
		name: "payrelay_api_requests_total",
		help: "Answers by route and status; not those to what could not be read, or was refused before its route was looked for.",
		labelNames: ["route", "status"],
		registers: [own],
	});
	const latency = new Histogram({
		name: "payrelay_api_payment_seconds",
		help: "How long POST /payments took from when it was read, by node:http from its header on, to its answer.",
		buckets: latencyBucketsS,
		registers: [own],
	});
	const cacheUp = new Gauge({
		name: "payrelay_api_cache_up",
		help: "Whether the cache answered at this scrape.",
		registers: [own],
	});
	const memory = new Gauge({ name: "process_resident_memory_bytes", help: "Resident memory.", registers: [own] });
	const cpu = new Counter({ name: "process_cpu_seconds_total", help: "User and system CPU time.", registers: [own] });
	const showCarrier = createBrokerCounter(own, "api");
	const deployment = new Registry();
	const showFigures = createFigures(deployment);
	const notes: { readonly status: number; readonly elapsedMs: number }[] = [];
	function countNotes(): void {
		for (const { status, elapsedMs } of notes) {
			requests.inc({ route: "/payments", status });
			latency.observe(elapsedMs / 1000);
		}
		notes.length = 0;
	}
	return {
		contentType: own.contentType,
		countRequest: (route, status) => requests.inc({ route, status }),
		countPayment(status, elapsedMs) {
			if (notes.push({ status, elapsedMs }) >= notesMax) countNotes();
		},
		async expose(figures) {
			countNotes();
			const { user, system } = process.cpuUsage();
			cpu.reset();
			cpu.inc((user + system) / 1e6);
			memory.set(process.memoryUsage.rss());
			cacheUp.set(figures ? 1 : 0);
			showCarrier(carrier());
			if (!figures) return own.metrics();
			showFigures(figures);
			return `${await own.metrics()}\n${await deployment.metrics()}`;
		},
	};
}

function createFigures(registry: Registry): (figures: FiguresResponse) => void {
	const registers = [registry];
	const gauge = (name: string, help: string): Gauge => new Gauge({ name: `payrelay_${name}`, help, registers });
	const total = (name: string, help: string): ((value: bigint) => void) => {
		const counter = new Counter({ name: `payrelay_${name}_total`, help, registers });
		return (value) => {
			counter.reset();
			counter.inc(Number(value));
		};
	};
	const byProcessor = (name: string, help: string): Gauge<"processor"> =>
		new Gauge({ name: `payrelay_processor_${name}`, help, labelNames: ["processor"], registers });
	const epoch = gauge("epoch", "The epoch; each purge begins a new one.");
	const depth = new Gauge({
		name: "payrelay_queue_payments",
		help: "Payments in the queue: waiting, leased, in doubt, parked.",
		labelNames: ["state"],
		registers,
	});
	const oldest = gauge("queue_oldest_seconds", "Age of the oldest payment that waits.");
	const consumers = gauge("consumers", "Consumers connected.");
	const accepted = total("accepted", "Payments accepted in this epoch.");
	const settled = total("settled", "Payments settled in this epoch.");
	const flagged = total("flagged", "Settled payments that somebody should look at.");
	const refused = total("settles_refused", "Settles refused since the cache started.");
	const attempts = total("attempts", "Attempts to charge, first and repeated ones.");
	const retries = total("retries", "Attempts for a payment that had one before.");
	const commits = total("commits", "Transactions committed since the cache started.");
	const inFlight = byProcessor("in_flight", "Attempts open towards the processor.");
	const inFlightMax = byProcessor("in_flight_max", "The bound on those.");
	const reachable = byProcessor("reachable", "Whether its health was answered.");
	const failing = byProcessor("failing", "Whether it said that charges fail.");
	const minResponse = byProcessor("min_response_seconds", "What it said that a charge takes at least.");
	const outboxDepth = gauge("outbox_events", "Events that are not known to be published.");
	const outboxOldest = gauge("outbox_oldest_seconds", "Age of the oldest of them.");
	const showBroker = createBrokerCounter(registry, "cache");
	const showQueues = createQueueDepths(registry);
	const showConsumers = createConsumerMetrics(registry);
	return (figures) => {
		showConsumers(figures.consumerFigures);
		outboxDepth.set(Number(figures.outboxDepth));
		outboxOldest.set(Number(figures.outboxOldestMs) / 1000);
		showBroker(figures.broker?.counters ?? {});
		showQueues(figures.broker?.queues ?? {});
		epoch.set(Number(figures.epoch));
		depth.set({ state: "waiting" }, Number(figures.waiting));
		depth.set({ state: "leased" }, Number(figures.leased));
		depth.set({ state: "in_doubt" }, Number(figures.inDoubt));
		depth.set({ state: "parked" }, Number(figures.parked));
		oldest.set(Number(figures.oldestWaitingMs) / 1000);
		consumers.set(figures.consumers);
		accepted(figures.accepted);
		settled(figures.settled);
		flagged(figures.flagged);
		refused(figures.settlesRefused);
		attempts(figures.attempts);
		retries(figures.retries);
		commits(figures.commits);
		for (const one of figures.processors) {
			const processor = processorWords.word(one.processor);
			if (processor === undefined) continue;
			inFlight.set({ processor }, one.inFlight);
			inFlightMax.set({ processor }, one.inFlightMax);
			if (!one.health) continue;
			reachable.set({ processor }, one.health.reachable ? 1 : 0);
			failing.set({ processor }, one.health.failing ? 1 : 0);
			minResponse.set({ processor }, one.health.minResponseMs / 1000);
		}
	};
}
