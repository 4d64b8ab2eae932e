// The broker in GET /metrics: queue depths, and what each service has seen there, by name.
import { Counter, Gauge, type Registry } from "prom-client";

type Counts = Readonly<Record<string, number | bigint>>;

/** The returned function shows what the service has seen. Nothing is shown where there is no broker. */
export function createBrokerCounter(registry: Registry, service: "api" | "cache"): (seen: Counts) => void {
	let counter: Counter<"what"> | undefined;
	return (seen) => {
		const counts = Object.entries(seen);
		counter?.reset();
		if (counts.length === 0) return;
		counter ??= new Counter({
			name: `payrelay_${service}_broker_total`,
			help: "What it has seen at the broker since it started: redelivered, unroutable, late, unreadable and others.",
			labelNames: ["what"],
			registers: [registry],
		});
		for (const [what, count] of counts) counter.inc({ what }, Number(count));
	};
}

/** The returned function shows how many messages wait in each queue; nothing while the broker does not tell. */
export function createQueueDepths(registry: Registry): (queues: Counts) => void {
	let gauge: Gauge<"queue"> | undefined;
	return (queues) => {
		const depths = Object.entries(queues);
		gauge?.reset();
		if (depths.length === 0) return;
		gauge ??= new Gauge({
			name: "payrelay_broker_queue_messages",
			help: "Messages that wait in a queue of requests, or among the dead letters.",
			labelNames: ["queue"],
			registers: [registry],
		});
		for (const [queue, depth] of depths) gauge.set({ queue }, Number(depth));
	};
}
