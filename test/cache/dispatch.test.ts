// Jobs reach consumers at once, never beyond their credit, and come back whenever a lease ends.
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { createLab, type Lab, pinned, released, settled, storeSettings, type TestConsumer } from "./dispatch-lab.ts";

const { leaseMs } = storeSettings;

/** Pins and settles a job, as its consumer does after a charge. */
async function charge(lab: Lab, consumer: TestConsumer): Promise<void> {
	const job = consumer.jobs.shift()!;
	await lab.outcome(lab.store.pin([pinned(job)]));
	await lab.outcome(lab.store.settle([settled(job)]));
	await lab.clock.settle();
}

describe("push", () => {
	test("a new payment reaches an idle consumer without any time passing", async () => {
		const lab = createLab();
		const consumer = lab.connect("a", { fresh: 10, pursuit: 10 });
		await lab.clock.settle();
		expect(consumer.lost).toEqual([]);

		await lab.post(1);
		await lab.clock.settle();

		expect(consumer.jobs).toHaveLength(1);
		expect(lab.clock.monotonic()).toBe(0);
	});

	test("what comes soon after a message goes together into the next", async () => {
		const lab = createLab(storeSettings, 10);
		const consumer = lab.connect("a", { fresh: 100, pursuit: 0 });
		await lab.post(1);
		await lab.clock.settle();
		expect(consumer.messages).toEqual([1]);
		await lab.post(2);
		await lab.clock.advance(4);
		await lab.post(3);
		await lab.clock.advance(5);
		expect(consumer.messages).toEqual([1]);
		await lab.clock.advance(1);
		expect(consumer.messages).toEqual([1, 5]);
		await lab.clock.advance(20);
		await lab.post(1);
		await lab.clock.settle();
		expect(consumer.messages).toEqual([1, 5, 1]);
	});

	test("what waits when a consumer connects comes in one message", async () => {
		const lab = createLab();
		await lab.post(50);
		const consumer = lab.connect("a", { fresh: 100, pursuit: 0 });
		await lab.clock.settle();
		expect(consumer.messages).toEqual([50]);
	});

	test("no message is larger than its bound, whatever the credit", async () => {
		const lab = createLab();
		await lab.post(600);
		const consumer = lab.connect("a", { fresh: 1_000, pursuit: 0 });
		await lab.clock.settle();
		expect(consumer.messages).toEqual([256, 256, 88]);
	});

	test("a settle makes room for the next job at once", async () => {
		const lab = createLab();
		await lab.post(3);
		const consumer = lab.connect("a", { fresh: 1, pursuit: 0 });
		await lab.clock.settle();
		expect(consumer.messages).toEqual([1]);
		await charge(lab, consumer);
		expect(consumer.messages).toEqual([1, 1]);
		await charge(lab, consumer);
		await charge(lab, consumer);
		expect(lab.holdings.outstanding("a", "fresh")).toBe(0);
	});

	test("a settle that somebody else brings makes room too", async () => {
		const lab = createLab();
		await lab.post(2);
		const first = lab.connect("a", { fresh: 1, pursuit: 0 });
		await lab.clock.settle();
		const job = first.jobs[0]!;
		await lab.outcome(lab.bare.pin([pinned(job)]));
		await lab.outcome(lab.store.settle([settled(job)]));
		expect(first.messages).toEqual([1, 1]);
	});

	test("payments that had an attempt before leave room for those that had none, and go to whoever has room for them", async () => {
		const lab = createLab();
		await lab.post(40);
		const first = lab.connect("a", { fresh: 40, pursuit: 0, retriesMax: 10 });
		await lab.clock.settle();
		const tried = first.jobs.splice(0);
		await lab.outcome(lab.store.pin(tried.map((job) => pinned(job))));
		await lab.outcome(lab.store.release(tried.map((job) => released(job, "not_charged"))));
		expect(first.jobs.map(({ attempts }) => attempts)).toEqual(Array(10).fill(1));
		expect(lab.holdings.retries("a")).toBe(10);
		await lab.post(35);
		await lab.clock.settle();
		expect(first.jobs.filter(({ attempts }) => attempts === 0)).toHaveLength(30);
		const second = lab.connect("b", { fresh: 40, pursuit: 0, retriesMax: 20 });
		await lab.clock.settle();
		expect(second.jobs.filter(({ attempts }) => attempts === 1)).toHaveLength(20);
		expect(second.jobs.filter(({ attempts }) => attempts === 0)).toHaveLength(5);
		await lab.outcome(lab.store.release([released(first.jobs[0]!)]));
		expect(lab.holdings.retries("a")).toBe(10);
	});

	test("several consumers share what there is", async () => {
		const lab = createLab();
		const consumers = ["a", "b", "c"].map((name) => lab.connect(name, { fresh: 100, pursuit: 0 }));
		await lab.clock.settle();
		await lab.post(90);
		await lab.clock.settle();
		for (const { jobs } of consumers) expect(jobs.length).toBeGreaterThanOrEqual(16);
		expect(consumers.reduce((sum, { jobs }) => sum + jobs.length, 0)).toBe(90);
	});

	test("single payments go round among waiting consumers", async () => {
		const lab = createLab();
		const consumers = ["a", "b", "c"].map((name) => lab.connect(name, { fresh: 100, pursuit: 0 }));
		await lab.clock.settle();
		for (let i = 0; i < 9; i++) {
			await lab.post(1);
			await lab.clock.settle();
		}
		expect(consumers.map(({ jobs }) => jobs.length)).toEqual([3, 3, 3]);
	});

	test("each message says what is still to come, divided by those who are connected", async () => {
		const lab = createLab();
		await lab.post(10);
		const first = lab.connect("a", { fresh: 3, pursuit: 0 });
		await lab.clock.settle();
		expect(first.backlogs).toEqual([10, 7]);
		const second = lab.connect("b", { fresh: 2, pursuit: 0 });
		await lab.clock.settle();
		expect(second.backlogs).toEqual([4, 3]);
		await charge(lab, first);
		expect(first.backlogs.at(-1)).toBe(2);
		await lab.post(6);
		for (let i = 0; i < 2; i++) await lab.sweep();
		expect(second.backlogs.at(-1), "a keep-alive").toBe(5);
	});

	test("a quiet stream shows at every tick that it is alive", async () => {
		const lab = createLab();
		const consumer = lab.connect("a", { fresh: 1, pursuit: 0 });
		await lab.clock.settle();
		for (let i = 0; i < 4; i++) await lab.sweep();
		expect(consumer.keepAlives).toBeGreaterThanOrEqual(2);
	});

	test("a consumer that does not read is given nothing more", async () => {
		const lab = createLab();
		const cut = new AbortController();
		const stream = lab.dispatcher.connect(
			{ session: "a", credit: { fresh: 10, pursuit: 0 }, retriesMax: 10, held: [] },
			cut.signal,
		);
		await stream.next();
		await lab.post(30);
		const first = stream.next();
		await lab.clock.settle();
		expect(await first).toMatchObject({ value: { jobs: { length: 10 } } });
		for (let i = 0; i < 5; i++) {
			await lab.clock.advance(leaseMs);
			await lab.sweep();
		}
		expect((await lab.store.figures()).leased).toBe(0);
		cut.abort();
		await stream.return();
	});
});

describe("the end of a lease", () => {
	test("a released job is delivered again under another token", async () => {
		const lab = createLab();
		await lab.post(1);
		const consumer = lab.connect("a", { fresh: 1, pursuit: 0 });
		await lab.clock.settle();
		const [before] = consumer.jobs.splice(0);
		await lab.outcome(lab.store.release([released(before!)]));
		expect(consumer.jobs).toHaveLength(1);
		expect(consumer.jobs[0]!.id).toBe(before!.id);
		expect(consumer.jobs[0]!.token).not.toBe(before!.token);
	});

	test("a job whose lease runs out goes to whoever is there, and frees its consumer's credit", async () => {
		const lab = createLab();
		await lab.post(1);
		const stuck = lab.connect("stuck", { fresh: 1, pursuit: 0 });
		await lab.clock.settle();
		const other = lab.connect("other", { fresh: 1, pursuit: 0 });
		await lab.clock.advance(leaseMs);
		await lab.sweep();
		expect([...stuck.jobs.slice(1), ...other.jobs]).toHaveLength(1);
		expect(lab.holdings.outstanding("stuck", "fresh") + lab.holdings.outstanding("other", "fresh")).toBe(1);
	});

	test("a renewed lease does not run out", async () => {
		const lab = createLab();
		await lab.post(1);
		const consumer = lab.connect("a", { fresh: 1, pursuit: 0 });
		await lab.clock.settle();
		for (let i = 0; i < 5; i++) {
			await lab.clock.advance(leaseMs / 2);
			expect(await lab.store.renew("a", [consumer.jobs[0]!.token])).toEqual([]);
			await lab.sweep();
		}
		expect(consumer.jobs).toHaveLength(1);
		expect(lab.holdings.outstanding("a", "fresh")).toBe(1);
	});

	test("a lease that a renewal reports lost frees credit", async () => {
		const lab = createLab();
		await lab.post(2);
		const consumer = lab.connect("a", { fresh: 1, pursuit: 0 });
		await lab.clock.settle();
		const token = consumer.jobs[0]!.token;
		await lab.clock.advance(leaseMs);
		await lab.bare.expire();
		expect(await lab.store.renew("a", [token])).toEqual([token]);
		await lab.clock.settle();
		expect(consumer.messages).toEqual([1, 1]);
	});

	test("a purge takes every job back and frees all credit", async () => {
		const lab = createLab();
		await lab.post(20);
		const consumer = lab.connect("a", { fresh: 10, pursuit: 0 });
		await lab.clock.settle();
		const before = consumer.jobs.splice(0);
		await lab.outcome(lab.store.pin([pinned(before[0]!)]));
		const purge = lab.store.purge(2000);
		await lab.clock.advance(2005);
		const { epoch } = await purge;
		expect(lab.holdings.outstanding("a", "fresh")).toBe(0);

		const ids = [before[1]!.id, ...(await lab.post(9))];
		await lab.store.enqueue([{ id: before[1]!.id, amountCents: 1990n }]);
		await lab.clock.settle();
		expect(consumer.jobs.map(({ id }) => id).sort()).toEqual(ids.sort());
		expect(consumer.jobs.every((job) => job.epoch === epoch)).toBe(true);
		// What the old epoch's worker still says changes nothing.
		expect(await lab.outcome(lab.store.settle([settled(before[1]!)]))).toEqual(["stale"]);
		expect(await lab.outcome(lab.store.release([released(before[1]!)]))).toEqual(["fenced"]);
		expect(lab.holdings.outstanding("a", "fresh")).toBe(10);
	});
});

describe("pursuits", () => {
	test("jobs in doubt come when they are due, on credit of their own", async () => {
		const lab = createLab();
		await lab.post(3);
		const consumer = lab.connect("a", { fresh: 1, pursuit: 1 });
		await lab.clock.settle();
		const [doubtful] = consumer.jobs.splice(0);
		await lab.outcome(lab.store.pin([pinned(doubtful!)]));
		await lab.outcome(lab.store.release([released(doubtful!, "unknown")]));
		// A fresh one took its credit; the one in doubt waits for its pause, not for credit.
		expect(consumer.jobs.map(({ pin }) => pin)).toEqual([undefined]);

		await lab.clock.advance(storeSettings.doubt.pauseMinMs);
		expect(consumer.jobs).toHaveLength(2);
		expect(consumer.jobs[1]).toMatchObject({ id: doubtful!.id, attempts: 1, pin: { processor: "default" } });
		expect(lab.holdings.outstanding("a", "fresh")).toBe(1);
		expect(lab.holdings.outstanding("a", "default")).toBe(1);
	});

	test("those of one processor take no more than two thirds of the credit, so that the other's come", async () => {
		const lab = createLab();
		await lab.post(9);
		const consumer = lab.connect("a", { fresh: 9, pursuit: 6 });
		await lab.clock.settle();
		const doubtful = consumer.jobs.splice(0);
		await lab.outcome(lab.store.pin(doubtful.map((job, n) => pinned(job, n < 8 ? "default" : "fallback"))));
		await lab.outcome(lab.store.release(doubtful.map((job) => released(job, "unknown"))));
		await lab.clock.advance(storeSettings.doubt.pauseMinMs);
		const processorsOf = consumer.jobs.map(({ pin }) => pin?.processor).sort();
		expect(processorsOf).toEqual(["default", "default", "default", "default", "fallback"]);
	});

	test("those of both processors together take no more than the credit", async () => {
		const lab = createLab();
		await lab.post(12);
		const consumer = lab.connect("a", { fresh: 12, pursuit: 6 });
		await lab.clock.settle();
		const doubtful = consumer.jobs.splice(0);
		await lab.outcome(lab.store.pin(doubtful.map((job, n) => pinned(job, n < 6 ? "default" : "fallback"))));
		await lab.outcome(lab.store.release(doubtful.map((job) => released(job, "unknown"))));
		await lab.clock.advance(storeSettings.doubt.pauseMinMs);
		expect(consumer.jobs).toHaveLength(6);
	});

	test("without pursuit credit no timer runs for them", async () => {
		const lab = createLab();
		await lab.post(1);
		const consumer = lab.connect("a", { fresh: 1, pursuit: 0 });
		await lab.clock.settle();
		const [job] = consumer.jobs.splice(0);
		await lab.outcome(lab.store.pin([pinned(job!)]));
		await lab.outcome(lab.store.release([released(job!, "unknown")]));
		expect(lab.clock.pending()).toBe(0);
		await lab.clock.advance(5000);
		expect(consumer.jobs).toEqual([]);
	});
});

describe("reconnecting", () => {
	test("a session keeps what it names, and its credit counts it", async () => {
		const lab = createLab();
		await lab.post(5);
		const before = lab.connect("a", { fresh: 3, pursuit: 0 });
		await lab.clock.settle();
		const held = before.jobs.map(({ id, token }) => ({ id, token }));
		before.cut();
		await lab.clock.advance(leaseMs / 2);
		expect(before.end).toBe("left");

		const after = lab.connect("a", { fresh: 3, pursuit: 0, held });
		await lab.clock.settle();
		expect(after.lost).toEqual([]);
		expect(after.jobs).toEqual([]);
		await lab.clock.advance(leaseMs / 2);
		await lab.sweep();
		expect(lab.holdings.outstanding("a", "fresh")).toBe(3);
	});

	test("a job that was cut off on its way is delivered again at once", async () => {
		const lab = createLab();
		await lab.post(1);
		const before = lab.connect("a", { fresh: 3, pursuit: 0 });
		await lab.clock.settle();
		before.cut();
		const after = lab.connect("a", { fresh: 3, pursuit: 0 });
		await lab.clock.advance(3);
		expect(after.jobs.map(({ id }) => id)).toEqual(before.jobs.map(({ id }) => id));
	});

	test("an attempt that the session does not name stays its own until its lease runs out", async () => {
		const lab = createLab();
		await lab.post(1);
		const before = lab.connect("a", { fresh: 1, pursuit: 0 });
		await lab.clock.settle();
		await lab.outcome(lab.store.pin([pinned(before.jobs[0]!)]));
		before.cut();
		lab.connect("a", { fresh: 1, pursuit: 0 });
		await lab.clock.advance(3);
		expect(await lab.store.payment(before.jobs[0]!.id)).toMatchObject({ state: "in_flight" });
	});

	test("what was lost meanwhile is told first", async () => {
		const lab = createLab();
		await lab.post(1);
		const before = lab.connect("a", { fresh: 1, pursuit: 0 });
		await lab.clock.settle();
		before.cut();
		await lab.clock.advance(leaseMs);
		await lab.sweep();
		const { id, token } = before.jobs[0]!;
		const after = lab.connect("a", { fresh: 1, pursuit: 0, held: [{ id, token }] });
		await lab.clock.settle();
		expect(after.lost).toEqual([token]);
		expect(after.jobs.map((job) => job.id)).toEqual([id]);
	});

	test("leases from before a restart count against the right credit", async () => {
		const lab = createLab();
		await lab.post(2);
		const before = lab.connect("a", { fresh: 2, pursuit: 2 });
		await lab.clock.settle();
		const [kept, doubtful] = before.jobs;
		await lab.outcome(lab.store.pin([pinned(doubtful!)]));
		await lab.outcome(lab.store.release([released(doubtful!, "unknown")]));
		await lab.clock.advance(200);
		const pursuit = before.jobs[2]!;
		before.cut();

		// A cache that starts anew knows nothing of the leases that its store kept.
		const { createHoldings } = await import("../../src/cache/holdings.ts");
		const anew = createHoldings(lab.bare, lab.clock, leaseMs);
		const held = [kept!, pursuit].map(({ id, token }) => ({ id, token }));
		expect(await anew.store.reclaim("a", held)).toEqual([]);
		expect(anew.outstanding("a", "fresh")).toBe(1);
		expect(anew.outstanding("a", "default")).toBe(1);
	});

	test("a second stream of a session takes the place of the first", async () => {
		const lab = createLab();
		const first = lab.connect("a", { fresh: 1, pursuit: 0 });
		await lab.clock.settle();
		const second = lab.connect("a", { fresh: 1, pursuit: 0 });
		await lab.clock.settle();
		expect(ConnectError.from(first.end).code).toBe(Code.Aborted);
		await lab.post(1);
		await lab.clock.settle();
		expect(first.jobs).toEqual([]);
		expect(second.jobs).toHaveLength(1);
		expect(lab.dispatcher.connected).toBe(1);
	});

	test("jobs that were being dealt to a stream as it ended go to others, whatever was done of that", async () => {
		for (let steps = 0; steps < 40; steps++) {
			const lab = createLab();
			const leaving = lab.connect("a", { fresh: 10, pursuit: 0 });
			await lab.clock.settle();
			const post = lab.post(5);
			for (let step = 0; step < steps; step++) await Promise.resolve();
			leaving.cut();
			await post;
			const other = lab.connect("b", { fresh: 10, pursuit: 0 });
			await lab.clock.advance(5);
			expect(leaving.jobs.length + other.jobs.length, `after ${steps} steps`).toBe(5);
			expect(lab.errors).toEqual([]);
		}
	});
});

test("closing ends every stream with its reason and leaves no timer", async () => {
	const lab = createLab();
	const consumer = lab.connect("a", { fresh: 1, pursuit: 1 });
	await lab.clock.settle();
	lab.dispatcher.close(new ConnectError("the cache is closing", Code.Unavailable));
	await lab.clock.settle();
	expect(ConnectError.from(consumer.end).code).toBe(Code.Unavailable);
	const late = lab.connect("b", { fresh: 1, pursuit: 1 });
	await lab.clock.settle();
	expect(ConnectError.from(late.end).code).toBe(Code.Unavailable);
	expect(lab.clock.pending()).toBe(0);
});
