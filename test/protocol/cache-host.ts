// The cache of a schedule: the real store, holdings and dispatcher over a disk that can lose what is not synced.
//
// It can end at any moment: between two events, before a commit, between commit and sync, between sync and answer. What
// it had in memory is then gone; after a while it starts again from the disk.
import { ConnectError } from "@connectrpc/connect";
import { createDispatcher, type Delivery, type SessionRequest } from "../../src/cache/dispatch.ts";
import { createHoldings } from "../../src/cache/holdings.ts";
import { createStore } from "../../src/cache/store/group-commit.ts";
import type { Rows } from "../../src/cache/store/rows.ts";
import { type Store, StoreFailed } from "../../src/cache/store/store.ts";
import type { CloudEvent } from "../../src/events/cloud-event.ts";
import { createPublisher } from "../../src/events/publisher.ts";
import * as life from "../../src/payment/life.ts";
import type { Broker } from "./broker.ts";
import type { Disk } from "./disk.ts";
import type { Mutant } from "./mutants.ts";
import type { Network } from "./network.ts";
import type { Weather } from "./weather.ts";
import { createProcess, type Process, type World } from "./world.ts";

export interface CacheHost {
	readonly process: Process;
	/** As they are in memory now; undefined while it is down. */
	readonly rows: Rows | undefined;
	start(): void;
	crash(why: string): void;
	/** Asks the store, over the link there and back; `heard` is called for every answer that arrives. */
	call<T>(link: string, ask: (store: Store) => Promise<T>, heard: (answer: T) => void): void;
	/** Opens a stream of jobs; deliveries arrive in order until the stream breaks. Returns how the caller leaves. */
	connect(link: string, request: SessionRequest, deliver: (given: Delivery) => void, broken: () => void): () => void;
	/** Asks on the machine itself, for people and operators; nothing while it is down. */
	local(ask: (store: Store) => Promise<void>): void;
}

const sweepsPerLease = 4;
const restartMaxMs = 400;
/** A stream whose other end is gone without a word is found out after this at the latest. */
const halfOpenMaxMs = 2500;

export function createCacheHost(
	world: World,
	weather: Weather,
	network: Network,
	disk: Disk,
	broker: Broker,
	mutant: Mutant,
	watch: { token(token: number, id: string): void; started(rows: Rows): void },
): CacheHost {
	const { prng } = world;
	const { settings } = weather;
	const process = createProcess(world);
	let rows: Rows | undefined;
	let store: Store | undefined;
	let dispatcher: ReturnType<typeof createDispatcher> | undefined;
	let streams = new Set<() => void>();

	function crash(why: string): void {
		if (!process.up) return;
		world.note(() => `CACHE ends ${why}`);
		process.kill();
		disk.crash();
		rows = store = dispatcher = undefined;
		const broken = streams;
		streams = new Set();
		for (const tell of broken) if (prng.chance(0.7)) world.after(network.delayMs(), tell);
		world.after(prng.between(1, restartMaxMs), start);
	}

	/** What nobody could handle ends the process; only a failed medium may be the reason. */
	function failed(own: Process): (cause: unknown) => void {
		const inThisLife = own.bind(() => crash("as its store has failed"));
		return (cause) => {
			const known = cause instanceof StoreFailed || (cause instanceof Error && cause.message.includes("has ended"));
			if (!known && process.up) world.fail(`the cache failed: ${cause instanceof Error ? cause.stack : cause}`);
			if (cause instanceof StoreFailed && !expected(cause.cause))
				world.fail(`the store failed: ${cause.cause instanceof Error ? cause.cause.stack : cause}`);
			inThisLife();
		};
	}

	function publish(event: CloudEvent, routingKey: string): Promise<void> {
		return new Promise((resolve, reject) => {
			const heard = process.bind((confirmed: boolean) => {
				world.touch();
				if (confirmed) resolve();
				else reject(new Error("no confirm came"));
			});
			broker.publish(event, routingKey, heard);
		});
	}

	function start(): void {
		if (process.up) return;
		process.start();
		rows = disk.open(process, crash);
		watch.started(rows);
		const clock = process.clock();
		const bare = createStore(rows, settings, {
			clock,
			random: prng.next,
			rules: { ...life, ...mutant.rules },
			paceMs: 2,
		});
		const changed = mutant.store ? mutant.store(bare, rows) : bare;
		const watched: Store = {
			...changed,
			async lease(...asked) {
				const jobs = await changed.lease(...asked);
				for (const { id, token } of jobs) watch.token(token, id);
				return jobs;
			},
		};
		const onFailed = failed(process);
		const holdings = createHoldings(watched, clock, settings.leaseMs);
		store = holdings.store;
		const ownDispatcher = createDispatcher(holdings, clock, onFailed);
		world.touch();
		createPublisher({
			outbox: changed,
			publish,
			clock,
			random: broker.random,
			onRefused: (_, failures) => world.note(() => `events were not confirmed, ${failures} times in a row`),
			onFailed,
			bounds: { ...broker.bounds, pause: { baseMs: 1, maxMs: 200 } },
		});
		dispatcher = ownDispatcher;
		world.note(() => `CACHE starts, boot ${rows?.marks.boot}`);
		const ownStore = store;
		const sweep = (): void => {
			world.touch();
			void ownStore.expire().then(() => ownDispatcher.tick(), onFailed);
			process.after(settings.leaseMs / sweepsPerLease, sweep, true);
		};
		process.after(settings.leaseMs / sweepsPerLease, sweep, true);
	}

	return {
		process,
		get rows() {
			return rows;
		},
		start,
		crash,
		call(link, ask, heard) {
			network.send(link, () => {
				if (!process.up || !store) return;
				process.bind(() => {
					world.touch();
					const onFailed = failed(process);
					const reply = process.bind((send: () => void) => send());
					ask(store!).then((answer) => reply(() => void network.send(link, () => heard(answer))), onFailed);
				})();
			});
		},
		connect(link, request, deliver, broken) {
			let cut = false;
			let lastMs = 0;
			let abort = (): void => {};
			const leave = (): void => {
				cut = true;
				streams.delete(broken);
				// The other side learns of it late where the line is cut.
				world.after(network.loses(link) ? prng.between(500, halfOpenMaxMs) : network.delayMs(), () => abort());
			};
			network.send(link, () => {
				if (cut) return;
				if (!process.up) return void world.after(network.delayMs(), broken);
				process.bind(() => {
					if (!dispatcher || cut) return;
					world.touch();
					const controller = new AbortController();
					const own = dispatcher;
					const onStreamFailed = failed(process);
					abort = process.bind(() => {
						world.touch();
						controller.abort();
					});
					streams.add(broken);
					const send = process.bind((given: Delivery) => {
						world.note(
							() =>
								`  to ${request.session}: ${"lost" in given ? `lost ${given.lost}` : given.jobs.map(({ id }) => id)}`,
						);
						if (cut) return;
						if (network.loses(link)) {
							cut = true;
							world.note(() => `  the stream to ${link} is cut`);
							return;
						}
						lastMs = Math.max(lastMs, world.nowMs + network.delayMs());
						world.after(lastMs - world.nowMs, () => deliver(given), "jobs" in given && given.jobs.length === 0);
					});
					const ended = process.bind(() => {
						if (!cut) world.after(network.delayMs(), broken);
					});
					void (async () => {
						try {
							for await (const given of own.connect(request, controller.signal)) send(given);
						} catch (cause) {
							// Another stream of the session took its place, or the cache is ending.
							if (!(cause instanceof ConnectError)) onStreamFailed(cause);
						}
						ended();
					})();
				})();
			});
			return leave;
		},
		local(ask) {
			if (!process.up || process.stopped || !store) return;
			world.touch();
			ask(store).catch(failed(process));
		},
	};
}

function expected(cause: unknown): boolean {
	return cause instanceof Error && (cause.message === "the sync failed" || cause.message.includes("has ended"));
}
