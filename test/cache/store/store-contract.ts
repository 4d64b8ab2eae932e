// What the cache relies on in any store, whatever it keeps payments in and whoever else uses it.
import { describe, expect, test } from "vitest";
import { type Job, type Store, StoreFailed, type StoreSettings } from "../../../src/cache/store/store.ts";
import type { Charge } from "../../../src/payment/life.ts";
import { type Processor, processors } from "../../../src/payment/payment.ts";
import { createFakeClock, type FakeClock } from "../../fake-clock.ts";
import type { StoreUnderTest } from "./media.ts";
import { doubt, idOf, startUs } from "./payments.ts";
import { storeSettings } from "./store-settings.ts";

/** Turns of the event loop that a store may take for an answer. */
const turnsMax = 10_000;

export interface Scene {
	readonly clock: FakeClock;
	readonly store: Store;
	/** The answer, without moving time. */
	now<T>(answer: Promise<T>): Promise<T>;
	crash(): Promise<void>;
	reopen(): Promise<void>;
	/** Accepts payments 1 to `count` (of 1, 2, 3 … cents). */
	accept(count: number): Promise<void>;
	lease(max: number, session?: string): Promise<Job[]>;
	pin(job: Job, processor?: Processor): Promise<string>;
	settle(job: Pick<Job, "id" | "epoch">, charge: Charge): Promise<string>;
	state(n: number): Promise<string | undefined>;
}

export async function openScene(under: StoreUnderTest, changed: Partial<StoreSettings> = {}): Promise<Scene> {
	const clock = createFakeClock(startUs / 1000);
	const settings = { ...storeSettings, ...changed };
	let store = await under.open(settings, clock);
	async function now<T>(answer: Promise<T>): Promise<T> {
		let pending = true;
		const settled = answer.finally(() => {
			pending = false;
		});
		settled.catch(() => {});
		for (let turn = 0; pending && turn < turnsMax; turn++) await clock.advance(0);
		if (pending) throw new Error("no answer, and time stands still");
		return settled;
	}
	return {
		clock,
		get store() {
			return store;
		},
		now,
		async crash() {
			await under.crash();
			store = await under.open(settings, clock);
		},
		async reopen() {
			await now(store.close());
			store = await under.open(settings, clock);
		},
		async accept(count) {
			const payments = Array.from({ length: count }, (_, i) => ({ id: idOf(i + 1), amountCents: BigInt(i + 1) }));
			const outcomes = await now(store.enqueue(payments));
			expect(outcomes).toEqual(payments.map(() => "accepted"));
		},
		lease: (max, session = "a") => now(store.lease(session, "fresh", max)),
		async pin(job, processor = "default") {
			const [pinned] = await now(store.pin([{ ...job, processor }]));
			return pinned!.outcome;
		},
		settle: async ({ id, epoch }, charge) => (await now(store.settle([{ id, epoch, charge }])))[0]!,
		state: async (n) => (await now(store.payment(idOf(n))))?.state,
	};
}

export function testStore(name: string, createUnder: () => StoreUnderTest): void {
	const open = (changed?: Partial<StoreSettings>) => openScene(createUnder(), changed);

	describe(`the store on ${name}: accepting`, () => {
		test("a payment is accepted once; the same again is repeated, another amount is a conflict", async () => {
			const { store, now, crash, ...scene } = await open();
			const batch = [1n, 1n, 2n].map((amountCents) => ({ id: idOf(1), amountCents }));
			expect(await now(store.enqueue(batch))).toEqual(["accepted", "repeated", "conflict"]);
			expect(await now(store.enqueue(batch))).toEqual(["repeated", "repeated", "conflict"]);
			expect(await scene.lease(10)).toHaveLength(1);
		});

		test("what was accepted is still there after a crash, and is still known", async () => {
			const scene = await open();
			await scene.accept(9);
			await scene.crash();
			expect((await scene.lease(20)).map(({ id, amountCents }) => [id, amountCents])).toEqual(
				Array.from({ length: 9 }, (_, i) => [idOf(i + 1), BigInt(i + 1)]),
			);
			expect(await scene.now(scene.store.enqueue([{ id: idOf(4), amountCents: 4n }]))).toEqual(["repeated"]);
		});

		test("a full queue says so, still knows what it has, and takes more once there is room", async () => {
			const scene = await open({ queueMax: 2 });
			await scene.accept(2);
			const enqueue = (n: number) => scene.now(scene.store.enqueue([{ id: idOf(n), amountCents: BigInt(n) }]));
			expect(await enqueue(3)).toEqual(["full"]);
			expect(await enqueue(2)).toEqual(["repeated"]);
			const [job] = await scene.lease(1);
			await scene.pin(job!);
			await scene.settle(job!, await chargeOf(scene, 1));
			expect(await enqueue(3)).toEqual(["accepted"]);
		});

		test("whoever waits for work is told when there is some", async () => {
			const scene = await open();
			let wakes = 0;
			const stop = scene.store.subscribe(() => wakes++);
			await scene.accept(1);
			expect(wakes).toBeGreaterThan(0);
			const before = wakes;
			stop();
			await scene.now(scene.store.enqueue([{ id: idOf(2), amountCents: 2n }]));
			expect(wakes).toBe(before);
		});
	});

	describe(`the store on ${name}: leases`, () => {
		test("payments are given out the oldest first, each to one session only", async () => {
			const scene = await open();
			await scene.accept(5);
			const first = await scene.lease(2, "a");
			const others = await scene.lease(9, "b");
			expect([...first, ...others].map(({ id }) => id)).toEqual([1, 2, 3, 4, 5].map(idOf));
			expect(await scene.lease(9, "c")).toEqual([]);
		});

		test("a job tells how long it has waited since it was accepted, over a crash and another lease", async () => {
			const scene = await open();
			await scene.accept(2);
			expect(scene.store.waiting()).toBe(2);
			await scene.clock.advance(300);
			const [first] = await scene.lease(1);
			expect(first!.waitedMs).toBe(300);
			expect(scene.store.waiting()).toBe(1);
			await scene.clock.advance(100);
			await scene.now(scene.store.release([{ ...first!, result: "unasked" }]));
			expect(scene.store.waiting()).toBe(2);
			await scene.crash();
			expect(scene.store.waiting()).toBe(2);
			expect((await scene.lease(9)).map(({ waitedMs }) => waitedMs)).toEqual([400, 400]);
			scene.clock.jump(-86_400_000);
			await scene.clock.advance(2_000);
			await scene.now(scene.store.expire());
			expect((await scene.lease(1))[0]!.waitedMs, "by a clock that was set back").toBe(0);
		});

		test("a lease ends when it is not renewed, whatever the wall clock says; its payment goes out again first", async () => {
			const scene = await open();
			await scene.accept(4);
			const [first, second] = (await scene.lease(2)) as [Job, Job];
			scene.clock.jump(86_400_000);
			expect(await scene.now(scene.store.expire())).toBe(0);
			await scene.clock.advance(600);
			expect(await scene.now(scene.store.renew("a", [first.token]))).toEqual([]);
			await scene.clock.advance(600);
			expect(await scene.now(scene.store.expire())).toBe(1);
			expect((await scene.lease(9, "b")).map(({ id }) => id)).toEqual([2, 3, 4].map(idOf));
			expect(await scene.now(scene.store.renew("a", [first.token, second.token]))).toEqual([second.token]);
			expect(await scene.now(scene.store.renew("b", [first.token]))).toEqual([first.token]);
		});

		test("who lost a lease changes nothing with it", async () => {
			const scene = await open();
			await scene.accept(1);
			const [late] = (await scene.lease(1)) as [Job];
			await scene.clock.advance(1_000);
			await scene.now(scene.store.expire());
			const [job] = (await scene.lease(1, "b")) as [Job];
			expect(job.token).toBeGreaterThan(late.token);
			expect(await scene.pin(late)).toBe("fenced");
			expect(await scene.pin(job)).toBe("pinned");
			expect(await scene.now(scene.store.release([{ ...late, result: "not_charged" }]))).toEqual(["fenced"]);
			expect(await scene.state(1)).toBe("in_flight");
			// A token with another payment's id is no key to either.
			expect(await scene.now(scene.store.release([{ ...job, id: idOf(2), result: "none" }]))).toEqual(["fenced"]);
		});

		test("a token never repeats, over restarts and crashes", async () => {
			const scene = await open();
			await scene.accept(1);
			const tokens: number[] = [];
			for (let n = 0; n < 6; n++) {
				const [job] = (await scene.lease(1)) as [Job];
				tokens.push(job.token);
				if (n % 3 === 0) await scene.crash();
				else if (n % 3 === 1) await scene.reopen();
				else await scene.now(scene.store.release([{ ...job, result: "none" }]));
			}
			expect(tokens).toEqual([...new Set(tokens)].toSorted((a, b) => a - b));
		});

		test("a session that is gone gives everything back at once", async () => {
			const scene = await open();
			await scene.accept(3);
			const [first] = (await scene.lease(2, "a")) as [Job];
			await scene.lease(1, "b");
			await scene.pin(first);
			await scene.now(scene.store.endSession("a"));
			expect([await scene.state(1), await scene.state(2)]).toEqual(["in_doubt", "accepted"]);
			expect((await scene.lease(9, "c")).map(({ id }) => id)).toEqual([idOf(2)]);
		});

		test("after a restart a consumer takes up again what it held, under the same tokens", async () => {
			for (const restart of ["crash", "reopen"] as const) {
				const scene = await open();
				await scene.accept(4);
				const jobs = (await scene.lease(3)) as [Job, Job, Job];
				await scene.pin(jobs[0]);
				await scene[restart]();
				expect(await scene.now(scene.store.reclaim("a", jobs))).toEqual([]);
				expect((await scene.lease(9, "b")).map(({ id }) => id)).toEqual([idOf(4)]);
				expect(await scene.pin(jobs[1], "fallback")).toBe("pinned");
				const [released] = await scene.now(scene.store.release([{ ...jobs[0], result: "not_charged" }]));
				expect([released, await scene.state(1)]).toEqual(["released", "accepted"]);
			}
		});

		test("what was not taken up in time is in doubt where it was pinned, and given to others where not", async () => {
			const scene = await open();
			await scene.accept(2);
			const jobs = (await scene.lease(2)) as [Job, Job];
			await scene.pin(jobs[0]);
			await scene.crash();
			const [given] = (await scene.lease(1, "b")) as [Job];
			expect(given.id).toBe(idOf(2));
			await scene.clock.advance(500);
			expect(await scene.now(scene.store.expire())).toBe(1);
			expect(await scene.state(1)).toBe("in_doubt");
			const lost = await scene.now(scene.store.reclaim("a", jobs));
			expect(lost).toEqual(jobs.map(({ token }) => token));
			expect(await scene.now(scene.store.release([{ ...jobs[0], result: "not_charged" }]))).toEqual(["fenced"]);
		});

		test("a lease that another session holds is not taken up", async () => {
			const scene = await open();
			await scene.accept(1);
			const [job] = (await scene.lease(1, "a")) as [Job];
			expect(await scene.now(scene.store.reclaim("b", [job]))).toEqual([job.token]);
			expect(await scene.now(scene.store.reclaim("a", [job]))).toEqual([]);
		});
	});

	describe(`the store on ${name}: pins`, () => {
		test("a pin repeated for the same lease is the same attempt", async () => {
			const scene = await open();
			await scene.accept(1);
			const [job] = (await scene.lease(1)) as [Job];
			const first = await scene.now(scene.store.pin([{ ...job, processor: "default" }]));
			await scene.clock.advance(50);
			const again = await scene.now(scene.store.pin([{ ...job, processor: "default" }]));
			expect(again).toEqual(first);
			expect(first).toEqual([{ outcome: "pinned", requestedAtUs: startUs }]);
			const payment = (await scene.now(scene.store.payment(job.id)))!;
			const attempt = { token: job.token, processor: "default", requestedAtUs: startUs, state: "open" };
			expect([payment.attempts, payment.attemptLog]).toEqual([1, [attempt]]);
		});

		test("a pinned payment is not pinned to the other processor, not even after a crash", async () => {
			const scene = await open();
			await scene.accept(1);
			const [job] = (await scene.lease(1)) as [Job];
			expect(await scene.pin(job, "fallback")).toBe("pinned");
			expect(await scene.pin(job, "default")).toBe("pinned_elsewhere");
			await scene.crash();
			await scene.now(scene.store.reclaim("a", [job]));
			expect(await scene.pin(job, "default")).toBe("pinned_elsewhere");
			expect(await scene.pin(job, "fallback")).toBe("pinned");
		});

		test("no more attempts are open towards a processor than allowed, counted over a crash", async () => {
			const scene = await open();
			await scene.accept(6);
			const jobs = await scene.lease(6);
			const pins = jobs.map((job, i) => ({ ...job, processor: i < 4 ? ("default" as const) : ("fallback" as const) }));
			const outcomes = (await scene.now(scene.store.pin(pins))).map(({ outcome }) => outcome);
			expect(outcomes).toEqual(["pinned", "pinned", "pinned", "no_slot", "pinned", "pinned"]);
			await scene.crash();
			await scene.now(scene.store.reclaim("a", jobs));
			expect((await scene.now(scene.store.figures())).inFlight).toEqual({ default: 3, fallback: 2 });
			expect(await scene.pin(jobs[3]!)).toBe("no_slot");
			await scene.now(scene.store.release([{ ...jobs[0]!, result: "not_charged" }]));
			expect(await scene.pin(jobs[3]!)).toBe("pinned");
		});

		test("a lease without an attempt is given back without a trace", async () => {
			const scene = await open();
			await scene.accept(1);
			const [job] = (await scene.lease(1)) as [Job];
			expect(await scene.now(scene.store.release([{ ...job, result: "none" }]))).toEqual(["released"]);
			const payment = (await scene.now(scene.store.payment(idOf(1))))!;
			expect([payment.state, payment.attempts, payment.attemptLog]).toEqual(["accepted", 0, []]);
		});

		test("proof that nothing was charged lifts the pin; the next one has a time of its own", async () => {
			const scene = await open();
			await scene.accept(1);
			const [job] = (await scene.lease(1)) as [Job];
			await scene.pin(job, "default");
			await scene.now(scene.store.release([{ ...job, result: "not_charged" }]));
			expect(await scene.state(1)).toBe("accepted");
			await scene.clock.advance(20);
			const [again] = (await scene.lease(1)) as [Job];
			expect(again.pin).toBeUndefined();
			const pinned = await scene.now(scene.store.pin([{ ...again, processor: "fallback" }]));
			expect(pinned).toEqual([{ outcome: "pinned", requestedAtUs: startUs + 20_000 }]);
		});
	});

	describe(`the store on ${name}: doubt`, () => {
		/** The payment's attempt ended without anybody knowing how. */
		async function inDoubt(scene: Scene, processor: Processor = "default"): Promise<void> {
			await scene.accept(1);
			const [job] = (await scene.lease(1)) as [Job];
			await scene.pin(job, processor);
			await scene.now(scene.store.release([{ ...job, result: "unknown" }]));
		}

		test("an unknown outcome keeps the pin for good: later proof does not lift it, nor does a crash", async () => {
			const scene = await open();
			await inDoubt(scene, "fallback");
			expect(await scene.lease(9)).toEqual([]);
			await scene.crash();
			await scene.clock.advance(75);
			const [job] = (await pursue(scene)) as [Job];
			expect(job.pin).toEqual({ processor: "fallback", requestedAtUs: startUs });
			expect(await scene.pin(job, "default")).toBe("pinned_elsewhere");
			const pinned = await scene.now(scene.store.pin([{ ...job, processor: "fallback" }]));
			expect(pinned).toEqual([{ outcome: "pinned", requestedAtUs: startUs }]);
			await scene.now(scene.store.release([{ ...job, result: "not_charged" }]));
			expect(await scene.state(1)).toBe("in_doubt");
			expect(await scene.lease(9)).toEqual([]);
		});

		test("it is asked for with growing pauses, by one worker at a time, and is parked after the bound", async () => {
			const scene = await open();
			await inDoubt(scene);
			const pauses: number[] = [];
			for (let round = 0; round < 12 && (await scene.state(1)) === "in_doubt"; round++) {
				const waitMs = nextDueMs(scene);
				pauses.push(waitMs);
				await scene.clock.advance(waitMs - 1);
				expect(await pursue(scene)).toEqual([]);
				await scene.clock.advance(1);
				const [job] = (await pursue(scene)) as [Job];
				expect(await pursue(scene, "b")).toEqual([]);
				await scene.now(scene.store.release([{ ...job, result: "none" }]));
			}
			// Three quarters of 100 ms, doubled up to 1 s, as the random number stands at one half.
			expect(pauses.slice(0, 6)).toEqual([75, 150, 300, 600, 750, 750]);
			expect(await scene.state(1)).toBe("parked");
			expect(nextDueMs(scene)).toBe(7_500);
			const figures = await scene.now(scene.store.figures());
			expect([figures.waiting, figures.inDoubt, figures.parked]).toEqual([0, 0, 1]);
			await scene.crash();
			await scene.clock.advance(7_500);
			expect(await pursue(scene)).toHaveLength(1);
		});

		test("given back without having been asked for it is neither put further back nor parked", async () => {
			const scene = await open();
			await inDoubt(scene);
			for (let turn = 0; turn < 2; turn++) {
				await scene.clock.advance(nextDueMs(scene));
				const [job] = (await pursue(scene)) as [Job];
				await scene.now(scene.store.release([{ ...job, result: "none" }]));
			}
			expect(nextDueMs(scene)).toBe(300);
			for (let turn = 0; turn < 20; turn++) {
				await scene.clock.advance(nextDueMs(scene));
				const [job] = (await pursue(scene)) as [Job];
				await scene.now(scene.store.release([{ ...job, result: "unasked" }]));
				expect(nextDueMs(scene)).toBe(300);
			}
			expect(await scene.state(1)).toBe("in_doubt");
		});

		test("it is asked for soon once its processor is well again, however long it would have paused", async () => {
			const scene = await open({ doubt: { ...doubt, pauseMinMs: 60_000, pauseMaxMs: 60_000 } });
			const healthy = (processor: "default" | "fallback", failing: boolean) =>
				scene.now(scene.store.saveHealth({ processor, reachable: true, failing, minResponseMs: 0, atUs: startUs }));
			await healthy("default", true);
			await healthy("fallback", true);
			await inDoubt(scene);
			expect(nextDueMs(scene)).toBeGreaterThan(40_000);
			await healthy("fallback", false);
			await healthy("default", true);
			expect(nextDueMs(scene), "its own processor is not").toBeGreaterThan(40_000);
			await healthy("default", false);
			const waitMs = nextDueMs(scene);
			expect(waitMs).toBeLessThanOrEqual(1_000);
			await scene.clock.advance(waitMs);
			expect(await pursue(scene)).toHaveLength(1);
		});

		test("a wall clock that was set back holds up nobody", async () => {
			const scene = await open();
			await inDoubt(scene);
			scene.clock.jump(-86_400_000);
			expect(await pursue(scene)).toHaveLength(1);
		});

		test("nor where others come into doubt after it, and however many there are", async () => {
			const scene = await open({ inFlightMax: 99, queueMax: 99 });
			await scene.accept(41);
			const jobs = await scene.lease(41);
			for (const job of jobs.slice(1)) await scene.pin(job);
			await scene.now(scene.store.release(jobs.slice(1).map((job) => ({ ...job, result: "unknown" }))));
			scene.clock.jump(-86_400_000);
			await scene.pin(jobs[0]!);
			await scene.now(scene.store.release([{ ...jobs[0]!, result: "unknown" }]));
			const asked = new Set<string>();
			for (let round = 0; round < 8 && asked.size < 41; round++) {
				await scene.clock.advance(nextDueMs(scene));
				const due = await pursue(scene);
				for (const { id } of due) asked.add(id);
				await scene.now(scene.store.release(due.map((job) => ({ ...job, result: "none" }))));
			}
			expect(asked.size).toBe(41);
		});

		test("those of one processor stand before nobody else's", async () => {
			const scene = await open({ inFlightMax: 99, queueMax: 99 });
			await scene.accept(31);
			const jobs = await scene.lease(31);
			for (const [n, job] of jobs.entries()) await scene.pin(job, n < 30 ? "default" : "fallback");
			await scene.now(scene.store.release(jobs.map((job) => ({ ...job, result: "unknown" }))));
			await scene.clock.advance(nextDueMs(scene));
			expect(await scene.now(scene.store.lease("a", "fallback", 9))).toMatchObject([{ id: jobs[30]!.id }]);
			expect(await scene.now(scene.store.lease("a", "default", 9))).toHaveLength(9);
		});

		test("parked payments are listed oldest first in pages, and a person retries, settles or gives them up", async () => {
			const scene = await open({ doubt: { ...doubt, parkAfterMs: 0 }, inFlightMax: 9 });
			await scene.accept(5);
			for (const job of await scene.lease(5)) {
				await scene.pin(job);
				await scene.now(scene.store.release([{ ...job, result: "unknown" }]));
			}
			await scene.crash();
			const first = await scene.now(scene.store.parked(0, 3));
			const rest = await scene.now(scene.store.parked(first.next, 3));
			expect([first, rest].map(({ payments }) => payments.map(({ id }) => id))).toEqual([
				[1, 2, 3].map(idOf),
				[4, 5].map(idOf),
			]);
			expect(rest.next).toBe(0);
			expect((await scene.now(scene.store.parked(first.next, 2))).next).toBe(0);
			const resolve = async (n: number, decision: "retry" | "settle" | "give_up", charge?: Charge) => {
				const resolution = { decision, who: "ops", why: "asked", atUs: startUs };
				return (await scene.now(scene.store.resolve(idOf(n), resolution, charge))).outcome;
			};
			const charge = await chargeOf(scene, 3);
			expect(await resolve(1, "retry")).toBe("resolved");
			expect(await resolve(2, "give_up")).toBe("resolved");
			expect(await resolve(3, "settle")).toBe("refused");
			expect(await resolve(3, "settle", { ...charge, processor: "fallback" })).toBe("refused");
			expect(await resolve(3, "settle", charge)).toBe("resolved");
			expect(await resolve(1, "give_up")).toBe("not_parked");
			expect(await resolve(9, "retry")).toBe("not_found");
			await scene.crash();
			const states = await Promise.all([1, 2, 3, 4].map((n) => scene.state(n)));
			expect(states).toEqual(["in_doubt", "given_up", "settled", "parked"]);
			expect((await scene.now(scene.store.payment(idOf(2))))?.resolution).toMatchObject({ who: "ops", why: "asked" });
			expect((await scene.now(scene.store.summary({}))).totals.default).toEqual({ count: 1n, amountCents: 3n });
			// What was given up is charged after all: it belongs in the books, and a person should look.
			expect(await scene.settle({ id: idOf(2), epoch: 1 }, { ...charge, amountCents: 2n })).toBe("settled");
			expect((await scene.now(scene.store.figures())).flagged).toBe(1);
		});
	});

	describe(`the store on ${name}: settling`, () => {
		test("a settle is booked once, from whoever brings it, and survives a crash", async () => {
			const scene = await open();
			await scene.accept(1);
			const [job] = (await scene.lease(1)) as [Job];
			await scene.pin(job);
			const charge = await chargeOf(scene, 1);
			await scene.clock.advance(1_000);
			await scene.now(scene.store.expire());
			expect(await scene.settle(job, charge)).toBe("settled");
			expect(await scene.settle(job, charge)).toBe("repeated");
			await scene.crash();
			expect(await scene.settle(job, charge)).toBe("repeated");
			expect((await scene.now(scene.store.summary({}))).totals).toEqual({
				default: { count: 1n, amountCents: 1n },
				fallback: { count: 0n, amountCents: 0n },
			});
			expect([await scene.lease(9), await pursue(scene)]).toEqual([[], []]);
		});

		test("a settle at a processor that the payment is not pinned to is refused, and counted", async () => {
			const scene = await open();
			await scene.accept(2);
			const [job, free] = (await scene.lease(2)) as [Job, Job];
			await scene.pin(job, "default");
			const charge = await chargeOf(scene, 1);
			expect(await scene.settle(job, { ...charge, processor: "fallback" })).toBe("refused");
			expect(await scene.settle(free, charge)).toBe("refused");
			expect(await scene.settle({ id: idOf(9), epoch: 1 }, charge)).toBe("stale");
			expect((await scene.now(scene.store.figures())).settlesRefused).toBe(2);
			expect((await scene.now(scene.store.summary({}))).totals.default.count).toBe(0n);
		});

		test("the books have what the processor recorded; where that differs a person is to look", async () => {
			const scene = await open();
			await scene.accept(1);
			const [job] = (await scene.lease(1)) as [Job];
			await scene.pin(job);
			const charge = { processor: "default", amountCents: 777n, requestedAtUs: startUs + 123_457 } as const;
			expect(await scene.settle(job, charge)).toBe("settled");
			await scene.crash();
			const payment = (await scene.now(scene.store.payment(idOf(1))))!;
			expect([payment.flagged, payment.charge, payment.amountCents]).toEqual([true, charge, 1n]);
			const at = (fromUs: number, toUs: number) => scene.now(scene.store.summary({ fromUs, toUs }));
			const exact = await at(startUs + 123_457, startUs + 123_457);
			expect(exact.totals.default).toEqual({ count: 1n, amountCents: 777n });
			const before = await at(0, startUs + 123_456);
			const after = await at(startUs + 123_458, startUs * 2);
			expect([before.totals.default.count, after.totals.default.count]).toEqual([0n, 0n]);
		});
	});

	describe(`the store on ${name}: events`, () => {
		const told = async ({ now, store }: Scene, after = 0) =>
			(await now(store.readOutbox(after, 100))).map(
				({ seq, type, paymentId }) => `${seq} ${type} ${paymentId.slice(-1)}`,
			);
		const forget = ({ now, store }: Scene, upTo: number) => now(store.forgetOutbox(upTo));
		const depth = async ({ now, store }: Scene) => (await now(store.figures())).outboxDepth;

		async function park(scene: Scene, job: Job): Promise<void> {
			await scene.now(scene.store.release([{ ...job, result: "unknown" }]));
			await scene.clock.advance(storeSettings.doubt.parkAfterMs + storeSettings.doubt.pauseMaxMs);
			const [again] = (await pursue(scene)) as [Job];
			await scene.now(scene.store.release([{ ...again, result: "none" }]));
		}

		test("each payment's acceptance, parking and settlement is told once and in order, over a crash", async () => {
			const scene = await open({ events: true });
			await scene.accept(2);
			await scene.now(scene.store.enqueue([{ id: idOf(1), amountCents: 1n }]));
			const [first, second] = (await scene.lease(2)) as [Job, Job];
			await scene.pin(first);
			await scene.pin(second);
			await scene.settle(second, await chargeOf(scene, 2));
			await scene.settle(second, { processor: "default", amountCents: 2n, requestedAtUs: startUs });
			await park(scene, first);
			expect(await scene.state(1)).toBe("parked");
			await scene.crash();
			const resolution = { who: "ops", why: "asked", atUs: startUs } as const;
			await scene.now(scene.store.resolve(idOf(1), { ...resolution, decision: "retry" }, undefined));
			const [again] = (await pursue(scene)) as [Job];
			await scene.pin(again);
			await park(scene, again);
			const charge = await chargeOf(scene, 1);
			await scene.now(scene.store.resolve(idOf(1), { ...resolution, decision: "settle" }, charge));
			const expected = ["accepted 1", "accepted 2", "processed 2", "parked 1", "parked 1", "processed 1"];
			expect(await told(scene)).toEqual(expected.map((event, i) => `${i + 1} payment.${event}`));
			expect(await told(scene, 4)).toHaveLength(2);
		});

		test("an event has the time of what it tells", async () => {
			const { store, now, clock } = await open({ events: true });
			await clock.advance(40);
			await now(store.enqueue([{ id: idOf(1), amountCents: 1n }]));
			const event = { seq: 1, type: "payment.accepted", paymentId: idOf(1), timeUs: startUs + 40_000 };
			expect(await now(store.readOutbox(0, 9))).toEqual([event]);
			const [job] = (await now(store.lease("a", "fresh", 1))) as [Job];
			await now(store.pin([{ ...job, processor: "default" }]));
			await clock.advance(60);
			const charge = { processor: "default", amountCents: 1n, requestedAtUs: startUs + 40_000 } as const;
			await now(store.settle([{ ...job, charge }]));
			const next = { seq: 2, type: "payment.processed", paymentId: idOf(1), timeUs: startUs + 100_000 };
			expect(await now(store.readOutbox(1, 9))).toEqual([next]);
		});

		test("nothing is told where events are off; what the outbox holds then stays, and can be read", async () => {
			const under = createUnder();
			const silent = await openScene(under);
			await silent.accept(1);
			expect([await told(silent), await depth(silent)]).toEqual([[], 0]);
			await silent.now(silent.store.close());
			const loud = await openScene(under, { events: true });
			await loud.now(loud.store.enqueue([{ id: idOf(2), amountCents: 2n }]));
			await loud.now(loud.store.close());
			const off = await openScene(under);
			await off.now(off.store.enqueue([{ id: idOf(3), amountCents: 3n }]));
			expect([await told(off), await depth(off)]).toEqual([["1 payment.accepted 2"], 1]);
		});

		test("the outbox holds what is not forgotten, says how much and how old that is, and outlives a purge", async () => {
			const scene = await open({ events: true });
			await scene.accept(3);
			await scene.clock.advance(70);
			await forget(scene, 2);
			await scene.now(scene.store.purge(0));
			for (const crash of [false, true]) {
				if (crash) await scene.crash();
				expect(await told(scene)).toEqual(["3 payment.accepted 3"]);
				expect(await scene.now(scene.store.figures())).toMatchObject({ outboxDepth: 1, outboxOldestMs: 70 });
			}
			// Neither what is gone nor what is to come can be forgotten.
			await forget(scene, 1);
			expect([await told(scene), await depth(scene)]).toEqual([["3 payment.accepted 3"], 1]);
			await forget(scene, 99);
			expect([await told(scene), await depth(scene)]).toEqual([[], 0]);
		});

		test("a number never comes twice: not after an outbox was emptied, a restart, or a purge", async () => {
			const scene = await open({ events: true });
			const { storeId } = scene.store;
			await scene.accept(2);
			await forget(scene, 2);
			await scene.reopen();
			await scene.now(scene.store.purge(0));
			await scene.accept(1);
			expect(await told(scene)).toEqual(["3 payment.accepted 1"]);
			expect(scene.store.storeId).toBe(storeId);
		});

		test("whoever publishes is told when there is more to read, and only then", async () => {
			const scene = await open({ events: true });
			const grown: string[][] = [];
			const stop = scene.store.watchOutbox(() => void told(scene, grown.length).then((events) => grown.push(events)));
			await scene.accept(1);
			const [job] = (await scene.lease(1)) as [Job];
			await scene.pin(job);
			await forget(scene, 1);
			expect(grown).toEqual([["1 payment.accepted 1"]]);
			stop();
			await scene.settle(job, await chargeOf(scene, 1));
			expect([grown.length, await depth(scene)]).toEqual([1, 1]);
		});
	});

	describe(`the store on ${name}: purge, polls, figures, the end`, () => {
		test("a purge waits for open attempts, gives nothing out meanwhile, and forgets all under a new epoch", async () => {
			const scene = await open();
			await scene.accept(3);
			const [job] = (await scene.lease(1)) as [Job];
			await scene.pin(job);
			const purged = scene.store.purge(1_000);
			await scene.clock.advance(100);
			const [other] = await scene.lease(1);
			expect(other).toBeUndefined();
			const charge = await chargeOf(scene, 1);
			expect(await scene.settle(job, charge)).toBe("settled");
			await scene.clock.advance(10);
			expect(await scene.now(purged)).toEqual({ epoch: 2, forgotten: 3, keptInDoubt: 0 });
			expect(await scene.settle(job, charge)).toBe("stale");
			expect((await scene.now(scene.store.summary({}))).totals.default.count).toBe(0n);
			expect([await scene.state(1), await scene.lease(9)]).toEqual([undefined, []]);
			await scene.accept(3);
			const [again] = (await scene.lease(1)) as [Job];
			expect([again.id, again.epoch]).toEqual([idOf(1), 2]);
		});

		test("nothing of an old epoch changes anything, also after a crash", async () => {
			const scene = await open();
			await scene.accept(2);
			const [pinned, leased] = (await scene.lease(2)) as [Job, Job];
			await scene.pin(pinned);
			const charge = await chargeOf(scene, 1);
			const purged = scene.store.purge(30);
			await scene.clock.advance(50);
			expect(await scene.now(purged)).toEqual({ epoch: 2, forgotten: 2, keptInDoubt: 1 });
			for (const crash of [false, true]) {
				if (crash) await scene.crash();
				expect(await scene.pin(leased)).toBe("fenced");
				expect(await scene.now(scene.store.release([{ ...pinned, result: "not_charged" }]))).toEqual(["fenced"]);
				expect(await scene.settle(pinned, charge)).toBe("stale");
				const keys = [pinned, leased];
				expect(await scene.now(scene.store.reclaim("a", keys))).toEqual(keys.map(({ token }) => token));
			}
			expect(await scene.now(scene.store.figures())).toMatchObject({ epoch: 2, waiting: 0, accepted: 0, leased: 0 });
		});

		test("a payment forgotten in doubt, posted again, may be charged only where it may have been", async () => {
			const scene = await open();
			await scene.accept(2);
			const jobs = (await scene.lease(2)) as [Job, Job];
			await scene.pin(jobs[0], "fallback");
			const purged = scene.store.purge(0);
			expect((await scene.now(purged)).keptInDoubt).toBe(1);
			await scene.crash();
			await scene.accept(2);
			expect((await scene.lease(9)).map(({ id }) => id)).toEqual([idOf(2)]);
			const [job] = (await pursue(scene)) as [Job];
			expect([job.id, job.pin?.processor]).toEqual([idOf(1), "fallback"]);
			expect(await scene.pin(job, "default")).toBe("pinned_elsewhere");
			expect(await scene.pin(job, "fallback")).toBe("pinned");
		});

		test("a processor's health is asked once per gap by all together, counted from its answer, restarts included", async () => {
			const scene = await open();
			const claim = (processor: Processor) => scene.now(scene.store.claimPoll(processor));
			const answer = { processor: "default", reachable: true, failing: false, minResponseMs: 12 } as const;
			expect(await claim("default")).toEqual({ granted: true, nextMs: 5_000 });
			expect((await claim("fallback")).granted).toBe(true);
			await scene.clock.advance(1_000);
			expect((await claim("default")).granted).toBe(false);
			const health = { ...answer, atUs: startUs + 1_000_000 };
			await scene.now(scene.store.saveHealth(health));
			await scene.clock.advance(2_000);
			expect(await claim("default")).toEqual({ granted: false, nextMs: 3_000 });
			await scene.crash();
			expect(await claim("default")).toEqual({ granted: false, nextMs: 3_000 });
			expect(await scene.now(scene.store.health())).toEqual([health]);
			await scene.clock.advance(3_000);
			await scene.reopen();
			expect((await claim("default")).granted).toBe(true);
		});

		test("a poll of which nothing is heard is granted again once its answer cannot come any more, over a crash once its gap is over", async () => {
			const scene = await open();
			const claim = () => scene.now(scene.store.claimPoll("default"));
			expect((await claim()).granted).toBe(true);
			await scene.clock.advance(5_000);
			expect(await claim()).toEqual({ granted: false, nextMs: 6_000 });
			await scene.clock.advance(6_000);
			expect((await claim()).granted).toBe(true);
			await scene.clock.advance(1_000);
			await scene.crash();
			expect(await claim()).toEqual({ granted: false, nextMs: 4_000 });
			await scene.clock.advance(4_000);
			expect((await claim()).granted).toBe(true);
		});

		test("the figures tell what waits, what is on its way and what was done, over a crash", async () => {
			const scene = await open();
			await scene.accept(5);
			await scene.clock.advance(40);
			const jobs = (await scene.lease(3)) as [Job, Job, Job];
			for (const job of jobs) await scene.pin(job);
			await scene.settle(jobs[0], await chargeOf(scene, 1));
			await scene.now(scene.store.release([{ ...jobs[1], result: "unknown" }]));
			const figures = await scene.now(scene.store.figures());
			const kept = { epoch: 1, waiting: 2, leased: 1, inDoubt: 1, parked: 0, accepted: 5, settled: 1, flagged: 0 };
			const more = { attempts: 3, retries: 0, oldestWaitingMs: 40, inFlight: { default: 1, fallback: 0 } };
			expect(figures).toMatchObject({ ...kept, ...more });
			expect(figures.commits).toBeGreaterThan(0);
			await scene.crash();
			expect(await scene.now(scene.store.figures())).toMatchObject({ ...kept, ...more });
		});

		test("what was asked before the end is answered and kept; what is asked after it is refused", async () => {
			const scene = await open();
			const { store } = scene;
			const accepted = store.enqueue([{ id: idOf(1), amountCents: 1n }]);
			const closed = store.close();
			expect(await scene.now(accepted)).toEqual(["accepted"]);
			await scene.now(closed);
			await expect(store.enqueue([{ id: idOf(2), amountCents: 2n }])).rejects.toThrow(StoreFailed);
			await scene.crash();
			expect([await scene.state(1), await scene.state(2)]).toEqual(["accepted", undefined]);
		});
	});
}

/** What is due at either processor. */
export async function pursue({ now, store }: Scene, session = "a"): Promise<Job[]> {
	const jobs: Job[] = [];
	for (const processor of processors) jobs.push(...(await now(store.lease(session, processor, 9))));
	return jobs;
}

/** Until the first at either processor is due, where any is. */
function nextDueMs({ store }: Scene): number {
	return Math.min(...processors.map((processor) => store.nextDueMs(processor) ?? Number.POSITIVE_INFINITY));
}

/** The charge of the n-th payment as its processor would record it. */
export async function chargeOf(scene: Scene, n: number): Promise<Charge> {
	const payment = (await scene.now(scene.store.payment(idOf(n))))!;
	return { ...payment.pin!, amountCents: payment.amountCents };
}
