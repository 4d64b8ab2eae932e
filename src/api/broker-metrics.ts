// The broker in GET /metrics: queue depths, and what each service has seen there, by name.
import { Counter, Gauge, type Registry } from "prom-client";

type Counts = Readonly<Record<string, number | bigint>>;

/** The returned function shows what a service has seen, and the depths of the queues that it knows. */
export function createBrokerMetrics(registry: Registry): (service: string, seen: Counts, queues?: Counts) => void {
	// A broker metric without a broker would only be in the way.
	let metrics: { readonly seen: Counter<"service" | "what">; readonly depth: Gauge<"queue"> } | undefined;
	const create = () => ({
		seen: new Counter({
			name: "payrelay_broker_total",
			help: "What a service has seen at the broker since it started: redelivered, unroutable, late, unreadable and others.",
			labelNames: ["service", "what"],
			registers: [registry],
		}),
		depth: new Gauge({
			name: "payrelay_broker_queue_messages",
			help: "Messages that wait in a queue of requests, or among the dead letters.",
			labelNames: ["queue"],
			registers: [registry],
		}),
	});
	return (service, seen, queues = {}) => {
		const counts = Object.entries(seen);
		const depths = Object.entries(queues);
		if (counts.length === 0 && depths.length === 0) return;
		metrics ??= create();
		metrics.seen.reset();
		for (const [what, count] of counts) metrics.seen.inc({ service, what }, Number(count));
		for (const [queue, depth] of depths) metrics.depth.set({ queue }, Number(depth));
	};
}
