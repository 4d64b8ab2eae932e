// The cache service: the queue and the books of the whole deployment, as RPCs over one store.
//
// Any number of carriers may serve its routes. It owns the store from `createCache` to `close`. When the store fails,
// every call is answered UNAVAILABLE from then on, all streams end, and `onFailed` is called: the process should exit,
// and what it had promised is on disk.
import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock } from "../clock.ts";
import { ProcessorService } from "../gen/payrelay/v1/processor_service_pb.ts";
import { QueueService } from "../gen/payrelay/v1/queue_service_pb.ts";
import { StatsService } from "../gen/payrelay/v1/stats_service_pb.ts";
import type { Routes } from "../rpc/carrier.ts";
import { createAbsentees } from "./absentees.ts";
import type { BrokerView } from "./broker-view.ts";
import { createDispatcher } from "./dispatch.ts";
import { failStop } from "./fail-stop.ts";
import { createHoldings } from "./holdings.ts";
import { createProcessorService } from "./processor-service.ts";
import { createQueueService } from "./queue-service.ts";
import { createReports } from "./reports.ts";
import { createStatsService } from "./stats-service.ts";
import type { Store, StoreSettings } from "./store/store.ts";

export interface CacheOptions {
	readonly store: Store;
	readonly clock: Clock;
	/** The same that the store was opened with. */
	readonly settings: Pick<StoreSettings, "leaseMs" | "reclaimMs" | "inFlightMax">;
	/** How it is at the broker, where there is one. */
	readonly broker?: () => Promise<BrokerView | undefined>;
	/** Called once, when nothing can be promised any more. */
	readonly onFailed: (cause: unknown) => void;
	/** Between two messages with fresh jobs, instead of the dispatcher's own, ms. */
	readonly messageGapMs?: number;
	/** Runs a task after what else is to be done in this turn; see dispatch.ts. */
	readonly later?: (task: () => void) => void;
}

export interface Cache {
	readonly routes: Routes;
	/** False once it has failed or is closing. */
	readonly serving: boolean;
	/** Ends all streams with UNAVAILABLE, refuses new calls, commits and answers what was asked before, closes the store. */
	close(): Promise<void>;
}

/** How often in the length of a lease those that have run out are looked for: by so much a lease may end too late. */
const sweepsPerLease = 8;
const sweepMinMs = 10;
const sweepMaxMs = 1000;

export function createCache(options: CacheOptions): Cache {
	const { store: bare, clock, settings, broker, onFailed, messageGapMs, later } = options;
	const { leaseMs, inFlightMax } = settings;
	const sweepMs = Math.min(Math.max(leaseMs / sweepsPerLease, sweepMinMs), sweepMaxMs);
	const ended = new AbortController();
	let cancelSweep: (() => void) | undefined;

	const guarded = failStop(bare, fail);
	const holdings = createHoldings(guarded.store, clock, leaseMs);
	const { store } = holdings;
	const dispatcher = createDispatcher(holdings, clock, failUnlessEnded, messageGapMs, later);
	const reports = createReports(clock);
	const stats = createStatsService({
		store,
		clock,
		inFlightMax,
		consumers: () => dispatcher.connected,
		reports,
		broker: async () => broker?.(),
		closing: ended.signal,
	});
	const processors = createProcessorService(store, reports);
	const absentees = createAbsentees(holdings, clock, settings, failUnlessEnded);
	const queue = createQueueService({ store, dispatcher, absentees, leaseMs, inFlightMax, closing: ended.signal });

	function end(message: string): void {
		if (ended.signal.aborted) return;
		const error = new ConnectError(message, Code.Unavailable);
		guarded.refuse(message);
		cancelSweep?.();
		ended.abort(error);
		for (const part of [dispatcher, stats, processors]) part.close(error);
		absentees.close();
	}

	function fail(cause: unknown): void {
		end("the store has failed; nothing is promised");
		onFailed(cause);
	}

	/** For what fails without a caller who could be told. Once all has ended, such failures are of the end's making. */
	function failUnlessEnded(cause: unknown): void {
		if (!ended.signal.aborted) fail(cause);
	}

	async function sweep(): Promise<void> {
		try {
			await store.expire();
			dispatcher.tick();
		} catch (cause) {
			failUnlessEnded(cause);
		}
		armSweep();
	}

	function armSweep(): void {
		if (!ended.signal.aborted) cancelSweep = clock.after(sweepMs, () => void sweep());
	}
	armSweep();

	return {
		routes(router) {
			router.service(QueueService, queue);
			router.service(StatsService, stats.service);
			router.service(ProcessorService, processors.service);
		},
		get serving() {
			return !ended.signal.aborted;
		},
		async close() {
			end("the cache is closing; nothing is promised");
			await bare.close();
		},
	};
}
