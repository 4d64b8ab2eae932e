// The api as a process serves it: the HTTP API over the cache's RPCs.
import { createClient } from "@connectrpc/connect";
import { systemClock } from "../clock.ts";
import { StatsService } from "../gen/payrelay/v1/stats_service_pb.ts";
import type { Logger } from "../log.ts";
import { createBatchClient } from "../rpc/batch-client.ts";
import { enqueueBatches } from "../rpc/batch-methods.ts";
import { type CarrierSettings, connectCarrier } from "../rpc/connect-carrier.ts";
import { collectGarbage } from "../runtime.ts";
import { readAdminKey } from "./admin-key.ts";
import { bodyMaxBytes, createApi } from "./api.ts";
import { apiDefaults } from "./route.ts";
import { type Listen, serveApi } from "./serve.ts";
import { warmUp, warmUpBounds } from "./warm-up.ts";

export interface ApiProcessSettings extends CarrierSettings {
	readonly listen: Listen;
	readonly acceptDeadlineMs: number;
	readonly purgeWaitMs: number;
	/** Empty: administration is open to all. */
	readonly adminKeyFile: string;
	/** How long requests may take to be answered when the process stops, ms. */
	readonly closeMs: number;
}

export interface RunningApi {
	readonly address: string;
	/** Stops accepting, and answers what it has. */
	close(): Promise<void>;
}

export async function serveRelayApi(settings: ApiProcessSettings, log: Logger): Promise<RunningApi> {
	const { acceptDeadlineMs, purgeWaitMs, adminKeyFile, closeMs } = settings;
	const clock = systemClock;
	const adminKey = adminKeyFile === "" ? undefined : await readAdminKey(adminKeyFile);
	log.debug({ madeUp: await warmUp(clock, warmUpBounds) }, "warmed up on made-up payments");
	collectGarbage();
	const rpc = await connectCarrier(settings, "api", {
		clock,
		onFault: (error, what) => log.warn({ reason: error.message }, what),
	});
	const payments = createBatchClient({
		transport: rpc.transport,
		batches: enqueueBatches,
		clock,
		random: Math.random,
		bounds: {
			deadlineMs: acceptDeadlineMs,
			// What goes over a broker waits there for a cache, and is not turned away while there is none.
			...(settings.carrier === "amqp" && { failFastMs: acceptDeadlineMs }),
		},
		onBreak: (error) => log.warn({ reason: error.message }, "the cache is away; it is tried again"),
		onBack: (awayMs) => log.info({ awayMs: Math.round(awayMs) }, "connected to the cache again"),
	});
	let serving = true;
	const { app, acceptPayment } = createApi(
		{
			enqueue: ({ id, amountCents }) => payments.call({ $typeName: "payrelay.v1.EnqueueRequest", id, amountCents }),
			stats: createClient(StatsService, rpc.transport),
			clock,
			carrierCounters: rpc.counters,
			onFault: (error) => log.error({ err: error }, "a request met an error that nobody expected"),
			// A cache that was restarted answers single calls before its stream of payments is open again.
			isServing: () => serving && payments.figures().downMs === 0,
		},
		{ ...apiDefaults, purgeWaitMs, ...(adminKey !== undefined && { adminKey }) },
	);
	const server = await serveApi(app.fetch, settings.listen, {
		acceptPayment,
		bodyMaxBytes,
		onError: (error) => log.warn({ reason: error.message }, "a connection could not be accepted"),
	});
	return {
		address: server.address,
		async close() {
			serving = false;
			await server.close(closeMs);
			await payments.close(acceptDeadlineMs);
			await rpc.close();
		},
	};
}
