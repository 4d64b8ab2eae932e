import { expect, test } from "vitest";
import { createStore } from "../../../src/cache/store/group-commit.ts";
import { createMemoryRows } from "../../../src/cache/store/memory-rows.ts";
import type { Rows } from "../../../src/cache/store/rows.ts";
import { StoreFailed } from "../../../src/cache/store/store.ts";
import { createFakeClock } from "../../fake-clock.ts";
import { sqliteMedium, storeOptions } from "./media.ts";
import { idOf, startUs } from "./payments.ts";
import { storeSettings } from "./store-settings.ts";

test("who waits for jobs is woken after the sync of the commit that brought them, and after its answers", async () => {
	const clock = createFakeClock(startUs / 1000);
	let syncing: (() => void)[] | undefined;
	const medium = sqliteMedium(() => (syncing ? new Promise((done) => syncing?.push(done)) : Promise.resolve()));
	const store = createStore(await medium.open(), storeSettings, { ...storeOptions, clock });
	await store.enqueue([{ id: idOf(1), amountCents: 1n }]);
	const order: string[] = [];
	store.subscribe(() => queueMicrotask(() => order.push("woken")));
	syncing = [];
	const answered = store.enqueue([{ id: idOf(2), amountCents: 2n }]).then(() => order.push("answered"));
	await clock.settle();
	expect(order).toEqual([]);
	for (const done of syncing.splice(0)) done();
	syncing = undefined;
	await answered;
	await clock.settle();
	expect(order).toEqual(["answered", "woken"]);
});

/** For the tests to tell what waits for company from what does not, ms. */
const paceMs = 50;

/** A store whose syncs end when the test says so. */
function setup(changed: Partial<Rows> = {}) {
	const clock = createFakeClock(startUs / 1000);
	const syncs: PromiseWithResolvers<void>[] = [];
	const begun: number[] = [];
	const memory = createMemoryRows();
	const rows: Rows = {
		...memory,
		begin: () => void begun.push(clock.monotonic()),
		sync() {
			const sync = Promise.withResolvers<void>();
			syncs.push(sync);
			return sync.promise;
		},
		...changed,
	};
	const store = createStore(
		rows,
		{ ...storeSettings, queueMax: 20_000, events: true },
		{ ...storeOptions, paceMs, clock },
	);
	const enqueue = (n: number) => store.enqueue([{ id: idOf(n), amountCents: 1n }]);
	async function syncAll(): Promise<void> {
		for (let turn = 0; turn < 40; turn++) {
			for (const { resolve } of syncs.splice(0)) resolve();
			await clock.advance(5);
		}
	}
	return { clock, store, marks: memory.marks, syncs, begun, enqueue, syncAll };
}

test("when a sync fails, whoever was in its commit, waited behind it or asks later is told so; nothing is written any more", async () => {
	const { clock, store, syncs, begun, enqueue } = setup();
	const first = Promise.allSettled([enqueue(1)]);
	await clock.settle();
	const behind = Promise.allSettled([enqueue(2), enqueue(3)]);
	await clock.settle();
	syncs[0]!.reject(new Error("the disk is gone"));
	await clock.advance(1_000);
	const reads = [store.payment(idOf(1)), store.summary({}), store.figures()];
	const later = [enqueue(4), store.lease("a", "fresh", 1), store.expire(), ...reads];
	for (const told of [first, behind, Promise.allSettled(later)])
		for (const answer of await told) expect(answer).toMatchObject({ reason: expect.any(StoreFailed) });
	await store.close();
	expect([begun, syncs.length]).toEqual([[0], 1]);
});

test("a read that fails is the end of the store, too: what waits and what comes is told so", async () => {
	const broken = () => {
		throw new Error("a page is damaged");
	};
	const { clock, store, syncs, enqueue } = setup({ summary: broken });
	const waits = enqueue(1);
	await clock.settle();
	const behind = expect(enqueue(2)).rejects.toThrow(StoreFailed);
	await expect(store.summary({})).rejects.toThrow(StoreFailed);
	await behind;
	syncs[0]!.resolve();
	expect(await waits, "it is on disk").toEqual(["accepted"]);
	await expect(enqueue(3)).rejects.toThrow(StoreFailed);
});

test("more than fits one commit goes into the next ones, unasked", async () => {
	const { store, begun, syncAll } = setup();
	const payments = (from: number, count: number) =>
		Array.from({ length: count }, (_, n) => ({ id: idOf(from + n), amountCents: 1n }));
	// Ten of a thousand go by four; one that is larger than a commit may be goes alone, and is not cut.
	const batches = [...Array.from({ length: 10 }, (_, i) => payments(i * 1_000, 1_000)), payments(10_000, 5_000)];
	const answers = Promise.all(batches.map(store.enqueue));
	await syncAll();
	expect((await answers).flat()).toEqual(Array(15_000).fill("accepted"));
	expect(begun).toHaveLength(4);
	expect(begun.at(-1)).toBeLessThan(paceMs);
	expect(store.waiting()).toBe(15_000);
});

test("a session that comes back while its end waits for a commit keeps what it takes up, and loses the rest", async () => {
	const { clock, store, enqueue, syncAll } = setup();
	const accepted = [1, 2, 3].map(enqueue);
	await syncAll();
	await Promise.all(accepted);
	const [kept, left] = await store.lease("a", "fresh", 2);
	void enqueue(4);
	await clock.settle();
	const ended = store.endSession("a");
	await clock.advance(1);
	expect(await store.reclaim("a", [kept!])).toEqual([]);
	const [given] = await store.lease("a", "fresh", 1);
	await syncAll();
	await ended;
	const tokens = [kept, left, given].map((job) => job!.token);
	expect(await store.renew("a", tokens)).toEqual([left!.token]);
});

test("what is read is told once the commit that it is of is on disk", async () => {
	const { clock, store, syncs, enqueue, syncAll } = setup();
	void enqueue(1);
	await clock.settle();
	const told: string[] = [];
	const reads = [
		store.payment(idOf(1)).then((payment) => told.push(`payment ${payment?.state}`)),
		store.figures().then(({ accepted }) => told.push(`${accepted} accepted`)),
		store.summary({}).then(() => told.push("summary")),
		store.parked(0, 1).then(() => told.push("parked")),
		store.health().then(() => told.push("health")),
	];
	await clock.settle();
	expect([told, syncs.length]).toEqual([[], 1]);
	await syncAll();
	await Promise.all(reads);
	expect(told.sort()).toEqual(["1 accepted", "health", "parked", "payment accepted", "summary"]);
});

test("what is read of a commit that does not come to the disk is not told", async () => {
	const { clock, store, syncs, enqueue } = setup();
	const accepted = expect(enqueue(1)).rejects.toThrow(StoreFailed);
	await clock.settle();
	const read = expect(store.payment(idOf(1))).rejects.toThrow(StoreFailed);
	await clock.settle();
	syncs[0]!.reject(new Error("the disk is gone"));
	await accepted;
	await read;
});

test("what only a consumer waits for, asked while a commit is under way, is carried out after it, unasked", async () => {
	const { clock, store, syncs, enqueue, syncAll } = setup();
	void enqueue(1);
	await clock.settle();
	const released = store.release([{ id: idOf(1), token: 1, epoch: 1, result: "none" }]);
	await clock.settle();
	expect(syncs, "the commit of the first one").toHaveLength(1);
	await syncAll();
	expect(await released).toEqual(["fenced"]);
});

test("purges asked for at once are one; the next one is another", async () => {
	const { store, syncAll } = setup();
	const purges = Promise.all([store.purge(0), store.purge(0)]);
	await syncAll();
	expect((await purges).map(({ epoch }) => epoch)).toEqual([2, 2]);
	const another = store.purge(0);
	await syncAll();
	expect((await another).epoch).toBe(3);
});

test("a store that is closed notes how far its queue was worked off, so that the next start need not look there", async () => {
	const { store, marks, enqueue, syncAll } = setup();
	const accepted = enqueue(1);
	await syncAll();
	await accepted;
	const [job] = await store.lease("a", "fresh", 1);
	const pinned = store.pin([{ ...job!, processor: "default" }]);
	await syncAll();
	const [pin] = await pinned;
	if (pin?.outcome !== "pinned") throw new Error("not pinned");
	const charge = { processor: "default", amountCents: 1n, requestedAtUs: pin.requestedAtUs } as const;
	const settled = store.settle([{ ...job!, charge }]);
	await syncAll();
	expect(await settled).toEqual(["settled"]);
	const fenced = store.release([{ ...job!, result: "none" }]);
	const closed = store.close();
	await syncAll();
	await closed;
	expect(await fenced).toEqual(["fenced"]);
	expect(marks.doneUpTo).toBe(1);
});

test("who stopped listening is not called any more", async () => {
	const { store, enqueue, syncAll } = setup();
	let called = 0;
	const stops = [store.subscribe(() => called++), store.watchOutbox(() => called++)];
	for (const stop of stops) stop();
	const answer = enqueue(1);
	await syncAll();
	await answer;
	expect(called).toBe(0);
});
