// SQLite against memory: whatever is asked, in whatever order, and wherever it crashes, both come to the same.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createStore } from "../../../src/cache/store/group-commit.ts";
import type { Job, Store } from "../../../src/cache/store/store.ts";
import type { Clock } from "../../../src/clock.ts";
import type { AttemptResult, Charge, Resolution } from "../../../src/payment/life.ts";
import { type Processor, processors } from "../../../src/payment/payment.ts";
import { createFakeClock } from "../../fake-clock.ts";
import { isLong } from "../../system/conditions.ts";
import { memoryMedium, sqliteMedium, storeOptions } from "./media.ts";
import { anyProcessor, idOf, startUs } from "./payments.ts";
import { storeSettings } from "./store-settings.ts";

/** What both stores are asked. `jobs` are all that were ever given out. */
type Ask = (jobs: readonly Job[], nowUs: number) => (store: Store) => Promise<unknown>;

type Step =
	| { readonly kind: "ask" | "crash, kept" | "crash, lost"; readonly name: string; readonly ask: Ask }
	| { readonly kind: "crash" | "reopen" }
	| { readonly kind: "time" | "jump"; readonly ms: number };

/** Short, so that payments come far in their lives within a few steps. */
const doubt = { pauseMinMs: 20, pauseMaxMs: 100, parkAfterMs: 150, parkedPauseMs: 200 };
const settings = { ...storeSettings, queueMax: 8, inFlightMax: 3, doubt, events: true };
const anyId = fc.nat(9).map(idOf);
const anySession = fc.constantFrom("a", "b");
const nobody: Job = { id: idOf(99), amountCents: 1n, token: 1, epoch: 1, attempts: 0, waitedMs: 0 };
/** The jobs given out last are asked for more often than old ones, whose tokens are worth nothing. */
const pick = (jobs: readonly Job[], back: number): Job => jobs[Math.max(0, jobs.length - 1 - back)] ?? nobody;
const anyBack = fc.oneof({ weight: 8, arbitrary: fc.nat(2) }, fc.nat(20));
const anyBacks = fc.array(anyBack, { minLength: 1, maxLength: 3 });

const named = (name: string, asks: fc.Arbitrary<Ask>) => asks.map((ask) => ({ name, ask }));
const anyCharge = fc.record({ processor: anyProcessor, differs: fc.boolean() });
type AnyCharge = { readonly processor: Processor; readonly differs: boolean };
const chargeOf = (job: Job, { processor, differs }: AnyCharge): Charge => {
	return { processor, amountCents: job.amountCents + (differs ? 5n : 0n), requestedAtUs: startUs + (job.token % 1000) };
};

const anyAsk = fc.oneof(
	{
		weight: 8,
		arbitrary: named(
			"enqueue",
			fc.array(fc.record({ id: anyId, amountCents: fc.constantFrom(7n, 7n, 8n) }), { maxLength: 4 }).map((payments) => {
				return () => (store) => store.enqueue(payments);
			}),
		),
	},
	{
		weight: 20,
		arbitrary: named(
			"lease",
			fc
				.tuple(anySession, fc.constantFrom("fresh" as const, ...processors), fc.integer({ min: 1, max: 3 }))
				.map(([session, lane, max]) => {
					return () => (store) => store.lease(session, lane, max);
				}),
		),
	},
	{
		weight: 20,
		arbitrary: named(
			"pin",
			fc.array(fc.tuple(anyBack, anyProcessor), { minLength: 1, maxLength: 3 }).map((wanted) => (jobs) => {
				return (store) => store.pin(wanted.map(([back, processor]) => ({ ...pick(jobs, back), processor })));
			}),
		),
	},
	{
		weight: 12,
		arbitrary: named(
			"release",
			fc
				.tuple(anyBacks, fc.constantFrom<AttemptResult>("unasked", "none", "not_charged", "unknown"))
				.map(([backs, result]) => (jobs) => {
					return (store) => store.release(backs.map((back) => ({ ...pick(jobs, back), result })));
				}),
		),
	},
	{
		weight: 8,
		arbitrary: named(
			"settle",
			fc.array(fc.tuple(anyBack, anyCharge), { minLength: 1, maxLength: 3 }).map((wanted) => (jobs) => (store) => {
				return store.settle(
					wanted.map(([back, charge]) => {
						const job = pick(jobs, back);
						return { id: job.id, epoch: job.epoch, charge: chargeOf(job, charge) };
					}),
				);
			}),
		),
	},
	named(
		"expire",
		fc.constant(() => (store) => store.expire()),
	),
	named(
		"end session",
		anySession.map((session) => () => (store) => store.endSession(session)),
	),
	named(
		"renew",
		fc.tuple(anySession, anyBacks).map(([session, backs]) => (jobs) => (store) => {
			return store.renew(
				session,
				backs.map((back) => pick(jobs, back).token),
			);
		}),
	),
	named(
		"reclaim",
		fc.tuple(anySession, anyBacks).map(([session, backs]) => (jobs) => (store) => {
			return store.reclaim(
				session,
				backs.map((back) => pick(jobs, back)),
			);
		}),
	),
	{
		weight: 4,
		arbitrary: named(
			"resolve",
			fc
				.tuple(anyId, fc.constantFrom<Resolution["decision"]>("retry", "settle", "give_up"), anyCharge)
				.map(([id, decision, charge]) => (_, nowUs) => (store) => {
					const resolution = { decision, who: "ops", why: "asked", atUs: nowUs };
					return store.resolve(id, resolution, decision === "settle" ? chargeOf({ ...nobody, id }, charge) : undefined);
				}),
		),
	},
	named(
		"purge",
		fc.constant(() => (store) => store.purge(0)),
	),
	named(
		"forget events",
		fc.nat(12).map((upTo) => () => (store) => store.forgetOutbox(upTo)),
	),
	named(
		"poll",
		anyProcessor.map((processor) => () => (store) => store.claimPoll(processor)),
	),
	named(
		"health",
		fc
			.tuple(anyProcessor, fc.boolean(), fc.nat(500))
			.map(([processor, failing, minResponseMs]) => (_, atUs) => (store) => {
				return store.saveHealth({ processor, reachable: true, failing, minResponseMs, atUs });
			}),
	),
);

const anyStep: fc.Arbitrary<Step> = fc.oneof(
	{ weight: 60, arbitrary: anyAsk.map((ask) => ({ kind: "ask" as const, ...ask })) },
	{ weight: 2, arbitrary: anyAsk.map((ask) => ({ kind: "crash, kept" as const, ...ask })) },
	{ weight: 2, arbitrary: anyAsk.map((ask) => ({ kind: "crash, lost" as const, ...ask })) },
	{ weight: 2, arbitrary: fc.constantFrom({ kind: "crash" as const }, { kind: "reopen" as const }) },
	{ weight: 6, arbitrary: fc.constantFrom(1, 30, 30, 80, 200, 1_100).map((ms) => ({ kind: "time" as const, ms })) },
	{ weight: 1, arbitrary: fc.constantFrom(-3_600_000, 3_600_000).map((ms) => ({ kind: "jump" as const, ms })) },
);

describe("SQLite and memory come to the same", () => {
	test("in any order of calls, with crashes before, within and after them", { timeout: 600_000 }, async () => {
		await fc.assert(fc.asyncProperty(fc.array(anyStep, { minLength: 10, maxLength: 120, size: "max" }), runBoth), {
			numRuns: isLong ? 1_000 : 25,
		});
	});
});

async function runBoth(steps: readonly Step[]): Promise<void> {
	const clock = createFakeClock(startUs / 1000);
	const model = memoryMedium();
	let stuck = false;
	const medium = sqliteMedium(() => (stuck ? new Promise(() => {}) : Promise.resolve()));
	let stores = await openBoth();
	const jobs: Job[] = [];

	async function openBoth(): Promise<readonly [Store, Store]> {
		const create = async (rows: ReturnType<typeof model.open>) =>
			createStore(await rows, settings, { ...storeOptions, clock });
		return [await create(model.open()), await create(medium.open())];
	}

	for (const step of steps) {
		switch (step.kind) {
			case "time":
				await clock.advance(step.ms);
				break;
			case "jump":
				clock.jump(step.ms);
				break;
			case "crash":
				medium.crash();
				stores = await openBoth();
				break;
			case "reopen":
				await answers(
					clock,
					stores.map((store) => store.close()),
				);
				stores = await openBoth();
				break;
			default: {
				const call = step.ask(jobs, Math.floor(clock.now() * 1000));
				const [expected, store] = stores;
				if (step.kind === "ask") {
					const [wanted, got] = await answers(clock, [call(expected), call(store)]);
					expect(got, step.name).toEqual(wanted);
					if (step.name === "lease") jobs.push(...(got as Job[]));
					break;
				}
				const before = medium.snapshot();
				stuck = true;
				// Nobody hears the answer: the commit is written, and its sync never ends.
				call(store).catch(() => {});
				for (let turn = 0; turn < 5; turn++) await clock.advance(0);
				stuck = false;
				if (step.kind === "crash, kept") {
					medium.crash();
					await answers(clock, [call(expected)]);
				} else medium.crash(before);
				stores = await openBoth();
			}
		}
		expect(await look(stores[1], clock)).toEqual(await look(stores[0], clock));
	}
}

/** All that anybody can see of a store. */
async function look(store: Store, clock: Clock & { now(): number }) {
	const from = startUs + 200;
	const windows = [{}, { fromUs: from }, { toUs: from }, { fromUs: from, toUs: from + 300 }];
	const payments = Array.from({ length: 10 }, (_, n) => store.payment(idOf(n)));
	return {
		payments: await Promise.all(payments),
		totals: (await Promise.all(windows.map((window) => store.summary(window)))).map(({ totals }) => totals),
		parked: [await store.parked(0, 2), await store.parked(2, 100)],
		health: (await store.health()).toSorted((a, b) => (a.processor < b.processor ? -1 : 1)),
		figures: await store.figures(),
		outbox: [await store.readOutbox(0, 3), await store.readOutbox(2, 1_000)],
		nextDueMs: processors.map(store.nextDueMs),
		nowMs: clock.now(),
	};
}

async function answers(
	clock: ReturnType<typeof createFakeClock>,
	asked: readonly Promise<unknown>[],
): Promise<unknown[]> {
	let pending = true;
	const all = Promise.all(asked).finally(() => {
		pending = false;
	});
	all.catch(() => {});
	for (let turn = 0; pending && turn < 10_000; turn++) await clock.advance(0);
	return all;
}
