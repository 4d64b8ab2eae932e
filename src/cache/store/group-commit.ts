// Group commit: the store port over an engine. What is asked while a commit is on its way to the disk is the next one.
//
// One transaction at a time: it carries out everything that waits, is committed, and is then made safe by one sync. Only
// then are the answers given. What a shop or a person waits for starts a commit at once, as does what is rare. What only a
// consumer waits for, and often (pins, releases, settles), rides along, or goes after a pace: a commit costs much the same
// whatever is in it, and each one that is under way makes a shop wait.
import type { Clock } from "../../clock.ts";
import { howManyFit } from "../../how-many-fit.ts";
import type { PaymentEvent } from "../../payment/event.ts";
import { createEngine, type Engine, type LifeRules } from "./engine.ts";
import { withRowCache } from "./row-cache.ts";
import type { Rows } from "./rows.ts";
import { type PurgeResult, type Store, StoreFailed, type StoreSettings } from "./store.ts";

export interface StoreOptions {
	readonly clock: Clock;
	readonly random?: () => number;
	/** For simulations that break a rule on purpose. */
	readonly rules?: LifeRules;
	/** How long a pin, a release or a settle may wait for company, ms. */
	readonly paceMs?: number;
	/** Resolves when all has come that comes in this turn of the event loop: it belongs into the same commit. */
	readonly turnEnds?: () => Promise<void>;
}

interface Change {
	/** What it carries: payments, pins, settles. */
	readonly items: number;
	readonly run: (engine: Engine) => unknown;
	readonly resolve: (result: never) => void;
	readonly reject: (reason: unknown) => void;
}

/** What one transaction carries at most, unless a single change has more: it is carried out on the event loop. */
const itemsMax = 4_096;
const itemsOf = (change: Change): number => change.items;
/** Commits between two looks at how far the queue is worked off. */
const advanceEvery = 256;
/** Between two looks at whether the last open attempt has ended, while a purge waits, ms. */
const purgeLookMs = 5;

export function createStore(rows: Rows, settings: StoreSettings, options: StoreOptions): Store {
	const { clock, paceMs = 2, turnEnds = () => Promise.resolve() } = options;
	const engine = createEngine(withRowCache(rows), settings, clock, options.random, options.rules);
	const wakes = new Set<() => void>();
	const changes: Change[] = [];
	let committing: Promise<void> | undefined;
	/** Of the commit that is on its way to the disk. */
	let syncing: Promise<void> | undefined;
	/** Something that waits is not to wait any longer. */
	let urgent = false;
	let paced: (() => void) | undefined;
	let failure: StoreFailed | undefined;
	let purge: Promise<PurgeResult> | undefined;
	let commits = 0;
	/** No event after this one is known to be on disk: a start does not know what the last one had synced. */
	let safeEventSeq = 0;
	const outboxWatchers = new Set<() => void>();

	function fail(batch: readonly Change[], cause: unknown): void {
		failure ??= new StoreFailed("the store has failed; nothing more is promised", { cause: rows.judge(cause) });
		for (const change of [...batch, ...changes.splice(0)]) change.reject(failure);
	}

	async function commitAll(): Promise<void> {
		while (urgent && !failure) {
			const batch = changes.splice(0, howManyFit(changes, itemsOf, itemsMax));
			urgent = changes.length > 0;
			try {
				rows.begin();
				const results = batch.map((change) => change.run(engine));
				if (++commits % advanceEvery === 0) engine.advance();
				rows.commit();
				syncing = rows.sync();
				await syncing;
				batch.forEach((change, i) => {
					change.resolve(results[i] as never);
				});
				for (const wake of wakes) wake();
				if (rows.marks.eventSeq > safeEventSeq) {
					safeEventSeq = rows.marks.eventSeq;
					for (const grew of outboxWatchers) grew();
				}
			} catch (cause) {
				fail(batch, cause);
			}
			syncing = undefined;
		}
	}

	function start(): void {
		paced?.();
		paced = undefined;
		urgent = changes.length > 0;
		if (!urgent) return;
		committing ??= turnEnds()
			.then(commitAll)
			.finally(() => {
				committing = undefined;
				if (urgent) start();
				else if (changes.length > 0) startSoon();
			});
	}

	function startSoon(): void {
		if (!committing && !paced) paced = clock.after(paceMs, start);
	}

	function change<T>(run: (engine: Engine) => T, hurried: boolean, items = 1): Promise<T> {
		if (failure) return Promise.reject(failure);
		return new Promise<T>((resolve, reject) => {
			changes.push({ items, run, resolve, reject });
			if (hurried) start();
			else startSoon();
		});
	}

	function read<T>(run: () => T): Promise<T> {
		if (failure) return Promise.reject(failure);
		try {
			return Promise.resolve(run());
		} catch (cause) {
			fail([], cause);
			return Promise.reject(failure);
		}
	}

	/** What is read may be of the commit that is being synced: it is told once that is safe. */
	async function readSafe<T>(run: () => T): Promise<T> {
		const safe = syncing;
		const found = await read(run);
		await safe?.catch((cause) => fail([], cause));
		if (failure) throw failure;
		return found;
	}

	async function readOutbox(afterSeq: number, max: number): Promise<PaymentEvent[]> {
		// Events that an earlier start left behind are made safe by a commit of this one before they are spoken of.
		if (safeEventSeq === 0 && rows.marks.eventSeq > 0) await change(() => undefined, true);
		return read(() => engine.outbox(afterSeq, safeEventSeq, max));
	}

	async function forget(waitMs: number): Promise<PurgeResult> {
		engine.beginPurge();
		const untilMs = clock.monotonic() + waitMs;
		while (engine.openAttempts() > 0 && clock.monotonic() < untilMs) await clock.sleep(purgeLookMs);
		return change(() => engine.purge(), true);
	}

	return {
		enqueue: (payments) => change((engine) => payments.map(engine.enqueue), true, payments.length),
		// A job may be given out before its acceptance is safe: its pin is synced later, on the same medium.
		lease: (session, lane, max, retriesMax) => read(() => engine.lease(session, lane, max, retriesMax)),
		renew: (session, tokens) => read(() => engine.renew(session, tokens)),
		reclaim: (session, held) => read(() => engine.reclaim(session, held)),
		pin: (requests) => change((engine) => requests.map(engine.pin), false, requests.length),
		release: (releases) => change((engine) => releases.map(engine.release), false, releases.length),
		settle: (settlements) => change((engine) => settlements.map(engine.settle), false, settlements.length),
		expire: async () => ((await read(engine.hasExpired)) ? change((engine) => engine.expire(), true) : 0),
		endSession(session) {
			const goneAtMs = clock.monotonic();
			return change((engine) => engine.endSession(session, goneAtMs), true);
		},
		summary: (window) => readSafe(() => rows.summary(window)),
		payment: (id) => readSafe(() => engine.payment(id)),
		parked: (after, max) => readSafe(() => engine.parked(after, max)),
		resolve: (id, resolution, charge) => change((engine) => engine.resolve(id, resolution, charge), true),
		purge(waitMs, ending) {
			const { epoch } = rows.marks;
			if (ending !== undefined && ending !== epoch) return readSafe(() => ({ epoch, forgotten: 0, keptInDoubt: 0 }));
			purge ??= forget(waitMs).finally(() => {
				purge = undefined;
			});
			return purge;
		},
		claimPoll: (processor) => change((engine) => engine.claimPoll(processor), true),
		saveHealth: (health) => change((engine) => engine.saveHealth(health), false),
		health: () => readSafe(() => rows.health()),
		figures: () => readSafe(() => ({ ...engine.figures(), commits })),
		subscribe(wake) {
			wakes.add(wake);
			return () => wakes.delete(wake);
		},
		storeId: rows.storeId,
		boot: rows.marks.boot,
		readOutbox,
		forgetOutbox: (upToSeq) => change((engine) => engine.forgetOutbox(upToSeq), false),
		watchOutbox(grew) {
			outboxWatchers.add(grew);
			return () => outboxWatchers.delete(grew);
		},
		waiting: () => engine.waiting(),
		nextDueMs: (processor) => engine.nextDueMs(processor),
		async close() {
			for (start(); committing; start()) await committing;
			if (!failure) {
				failure = new StoreFailed("the store is closed");
				rows.begin();
				engine.advance();
				rows.commit();
				await rows.sync();
			}
			rows.close();
		},
	};
}
