// The cache as a process serves it: its store by name, its routes over HTTP/2.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../clock.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { ProcessorService } from "../gen/payrelay/v1/processor_service_pb.ts";
import { QueueService } from "../gen/payrelay/v1/queue_service_pb.ts";
import { StatsService } from "../gen/payrelay/v1/stats_service_pb.ts";
import type { Logger } from "../log.ts";
import { Refusal } from "../refusal.ts";
import { edgeInterceptors } from "../rpc/edge.ts";
import { createHealth } from "../rpc/health.ts";
import { connectHttp2 } from "../rpc/http2-client.ts";
import { serveHttp2 } from "../rpc/http2-server.ts";
import { reflectionRoutes } from "../rpc/reflection.ts";
import { createValidation } from "../rpc/validate.ts";
import { type BrokerSettings, openBroker } from "./broker.ts";
import { type CacheServer, startCache } from "./start.ts";
import { createStore } from "./store/group-commit.ts";
import { createMemoryRows } from "./store/memory-rows.ts";
import { makeFolder } from "./store/sqlite/folder.ts";
import type { StoreSettings } from "./store/store.ts";
import { warmUpBounds } from "./warm-up.ts";

/** What all sockets bring in one turn of the event loop comes before its immediates. */
const turnEnds = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

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
	const onFault = (error: unknown, what: string): void => log.debug({ err: error }, what);
	const names = services.map(({ typeName }) => typeName);
	const health = createHealth(names);
	return startCache({
		settings: storeSettings,
		clock,
		log,
		warmUpBounds,
		later: setImmediate,
		fail,
		async openStore() {
			makeDataFolder(settings.dataDir);
			if (settings.store === "memory") {
				log.warn("payments are kept in memory: nothing survives this process");
				return createStore(createMemoryRows(), storeSettings, { clock });
			}
			const { openSqliteRows } = await import("./store/sqlite/rows.ts");
			return createStore(await openSqliteRows(settings.dataDir), storeSettings, { clock, turnEnds });
		},
		async openScratchStore() {
			const scratch = { ...storeSettings, events: false };
			if (settings.store === "memory") return createStore(createMemoryRows(), scratch, { clock, paceMs: 0 });
			const { openSqliteRows } = await import("./store/sqlite/rows.ts");
			const folder = join(settings.dataDir, ".warm-up");
			const remove = () => rm(folder, { recursive: true, force: true });
			await remove();
			const store = createStore(await openSqliteRows(folder), scratch, { clock, paceMs: 0, turnEnds });
			return { ...store, close: () => store.close().finally(remove) };
		},
		async connect(routes) {
			validation.warm(services);
			const server = await serveHttp2({ routes, interceptors, addresses: ["127.0.0.1:0"], clock, onFault });
			const client = connectHttp2(server.addresses[0]!);
			return {
				transport: client.transport,
				close() {
					client.close();
					return server.close(0);
				},
			};
		},
		setServing(serving) {
			for (const name of ["", ...names]) health.set(name, serving);
		},
		async listen(routes, store) {
			const broker = await openBroker(settings, log, { routes, interceptors, clock, store, fail });
			const server = await serveHttp2({
				routes(router) {
					routes(router);
					health.routes(router);
					reflectionRoutes([...services, Health])(router);
				},
				interceptors,
				addresses: settings.addresses,
				clock,
				onFault,
			}).catch(async (cause) => {
				await broker.drain();
				await broker.close(settings.closeMs);
				throw cause;
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

function makeDataFolder(folder: string): void {
	try {
		makeFolder(folder);
	} catch (error) {
		const { message } = error as Error;
		throw new Refusal(`DATA_DIR is ${folder}. Expected a folder, or a path where one can be made (${message}).`);
	}
}
