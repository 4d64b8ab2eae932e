// For tests of the dispatcher: a memory store in simulated time, and consumers that note what they are given.
import { randomUUID } from "node:crypto";
import { createDispatcher } from "../../src/cache/dispatch.ts";
import { createHoldings } from "../../src/cache/holdings.ts";
import { createStore } from "../../src/cache/store/group-commit.ts";
import { createMemoryRows } from "../../src/cache/store/memory-rows.ts";
import type { Job, LeaseKey, StoreSettings } from "../../src/cache/store/store.ts";
import { createFakeClock } from "../fake-clock.ts";

export const storeSettings: StoreSettings = {
	leaseMs: 8000,
	reclaimMs: 8000,
	queueMax: 10_000,
	inFlightMax: 1000,
	pollGapMs: 5000,
	doubt: { pauseMinMs: 100, pauseMaxMs: 1000, parkAfterMs: 60_000, parkedPauseMs: 10_000 },
};

export interface TestConsumer {
	readonly session: string;
	/** Jobs given and not yet taken out by the test. */
	readonly jobs: Job[];
	/** The sizes of the messages that came, keep-alives apart. */
	readonly messages: number[];
	keepAlives: number;
	lost: readonly number[] | undefined;
	/** What each message, keep-alives too, said is still to come. */
	readonly backlogs: number[];
	/** How the stream ended: an error, or "left". */
	end: unknown;
	/** Cuts the stream, as a lost connection does. */
	cut(): void;
}

export interface Credit {
	readonly fresh: number;
	readonly pursuit: number;
	readonly retriesMax?: number;
	readonly held?: readonly LeaseKey[];
}

/** Without a gap between messages unless one is given, so that a test sees each job as soon as it may go out. */
export function createLab(settings: StoreSettings = storeSettings, gapMs = 0) {
	const clock = createFakeClock();
	const bare = createStore(createMemoryRows(), settings, { clock, random: () => 0.5 });
	const holdings = createHoldings(bare, clock, settings.leaseMs);
	const errors: unknown[] = [];
	const dispatcher = createDispatcher(holdings, clock, (cause) => errors.push(cause), gapMs);
	const { store } = holdings;

	return {
		clock,
		store,
		bare,
		holdings,
		dispatcher,
		errors,

		/** Reads a session's stream until it ends. */
		connect(session: string, { fresh, pursuit, retriesMax = fresh, held = [] }: Credit): TestConsumer {
			const cut = new AbortController();
			const consumer: TestConsumer = {
				session,
				jobs: [],
				messages: [],
				keepAlives: 0,
				lost: undefined,
				backlogs: [],
				end: undefined,
				cut: () => cut.abort(),
			};
			const read = async () => {
				for await (const given of dispatcher.connect(
					{ session, credit: { fresh, pursuit }, retriesMax, held },
					cut.signal,
				)) {
					consumer.backlogs.push(given.backlog);
					if ("lost" in given) consumer.lost = given.lost;
					else if (given.jobs.length === 0) consumer.keepAlives++;
					else {
						consumer.messages.push(given.jobs.length);
						consumer.jobs.push(...given.jobs);
					}
				}
			};
			void read().then(
				() => {
					consumer.end = "left";
				},
				(error: unknown) => {
					consumer.end = error;
				},
			);
			return consumer;
		},

		/** Accepts so many new payments; resolves to their ids. */
		async post(count: number): Promise<string[]> {
			const ids = Array.from({ length: count }, () => randomUUID());
			await store.enqueue(ids.map((id) => ({ id, amountCents: 1990n })));
			return ids;
		},

		/** Waits for what a call brings about, moving time on by little enough that nothing else falls due. */
		async outcome<T>(call: Promise<T>): Promise<T> {
			await clock.advance(3);
			return call;
		},

		/** What the cache does now and then. */
		async sweep(): Promise<void> {
			await store.expire();
			dispatcher.tick();
			await clock.settle();
		},
	};
}

export type Lab = ReturnType<typeof createLab>;

export const settled = (job: Job, processor: "default" | "fallback" = "default", requestedAtUs = 0) => ({
	id: job.id,
	epoch: job.epoch,
	charge: { processor, amountCents: job.amountCents, requestedAtUs },
});

export const released = (job: Job, result: "unasked" | "none" | "not_charged" | "unknown" = "none") => ({
	id: job.id,
	token: job.token,
	epoch: job.epoch,
	result,
});

export const pinned = (job: Job, processor: "default" | "fallback" = "default") => ({
	id: job.id,
	token: job.token,
	epoch: job.epoch,
	processor,
});
