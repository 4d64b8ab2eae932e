// The cache as a process serves it: its store by name, its routes over HTTP/2.
import { mkdir } from "node:fs/promises";
import { systemClock } from "../clock.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { ProcessorService } from "../gen/payrelay/v1/processor_service_pb.ts";
import { QueueService } from "../gen/payrelay/v1/queue_service_pb.ts";
import { StatsService } from "../gen/payrelay/v1/stats_service_pb.ts";
import type { Logger } from "../log.ts";
import { edgeInterceptors } from "../rpc/edge.ts";
import { createHealth } from "../rpc/health.ts";
import { serveHttp2 } from "../rpc/http2-server.ts";
import { connectMemory } from "../rpc/memory.ts";
import { reflectionRoutes } from "../rpc/reflection.ts";
import { createValidation } from "../rpc/validate.ts";
import { type BrokerSettings, openBroker } from "./broker.ts";
import { type CacheServer, startCache } from "./start.ts";
import { createStore } from "./store/group-commit.ts";
import { createMemoryRows } from "./store/memory-rows.ts";
import type { StoreSettings } from "./store/store.ts";
import { warmUpBounds } from "./warm-up.ts";

export interface CacheProcessSettings extends Omit<StoreSettings, "events">, BrokerSettings {
	readonly store: "sqlite" | "memory";
	/** The folder of the store. */
	readonly dataDir: string;
	/** Where callers are served. */
	readonly addresses: readonly string[];
	/** How long calls may take to end when the process stops, ms. */
	readonly closeMs: number;
}

const services = [QueueService, StatsService, ProcessorService];

/** `fail` ends the process: the store can no longer keep its promises. */
export async function serveCache(
	settings: CacheProcessSettings,
	log: Logger,
	fail: (cause: unknown) => void,
): Promise<CacheServer> {
	const clock = systemClock;
	const validation = createValidation();
	const interceptors = edgeInterceptors(validation, (error, method) =>
		log.error({ err: error, method }, "a call met an error that nobody expected"),
	);
	const storeSettings: StoreSettings = { ...settings, events: settings.events === "amqp" };
	const names = services.map(({ typeName }) => typeName);
	const health = createHealth(names);
	return startCache({
		settings: storeSettings,
		clock,
		log,
		warmUpBounds,
		fail,
		async openStore() {
			await mkdir(settings.dataDir, { recursive: true });
			if (settings.store === "memory") {
				log.warn("payments are kept in memory: nothing survives this process");
				return createStore(createMemoryRows(), storeSettings, { clock });
			}
			const { openSqliteRows } = await import("./store/sqlite/rows.ts");
			return createStore(await openSqliteRows(settings.dataDir), storeSettings, { clock });
		},
		openScratchStore: async () =>
			createStore(createMemoryRows(), { ...storeSettings, events: false }, { clock, paceMs: 0 }),
		connect(routes) {
			validation.warm(services);
			return connectMemory(routes, interceptors);
		},
		setServing(serving) {
			for (const name of ["", ...names]) health.set(name, serving);
		},
		async listen(routes, store) {
			const broker = await openBroker(settings, log, { routes, interceptors, clock, store });
			const server = await serveHttp2({
				routes(router) {
					routes(router);
					health.routes(router);
					reflectionRoutes([...services, Health])(router);
				},
				interceptors,
				addresses: settings.addresses,
				clock,
				onFault: (error, what) => log.debug({ err: error }, what),
			});
			return {
				address: [...server.addresses, ...broker.addresses].join("  "),
				...(broker.open && { broker: broker.figures }),
				drain: broker.drain,
				async close() {
					health.close();
					await Promise.all([server.close(settings.closeMs), broker.close(settings.closeMs)]);
				},
			};
		},
	});
}
