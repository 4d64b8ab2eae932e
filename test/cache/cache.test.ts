// The cache's RPCs as their callers see them.
import { toJsonString } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { createMemoryRows } from "../../src/cache/store/memory-rows.ts";
import { PaymentState, Processor, RetryAfterSchema } from "../../src/gen/payrelay/v1/payment_pb.ts";
import {
	AttemptResult,
	type DequeueBatchResponse,
	EnqueueOutcome,
	type Job,
	PinOutcome,
	ReleaseOutcome,
} from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import {
	AttemptState,
	Decision,
	ListParkedResponseSchema,
	Proof,
	SettleOutcome,
} from "../../src/gen/payrelay/v1/stats_service_pb.ts";
import * as life from "../../src/payment/life.ts";
import { messageLimits } from "../../src/rpc/carrier.ts";
import { createCacheLab, follow, requests } from "./cache-lab.ts";
import { idOf, startUs } from "./store/payments.ts";

const id = "5c1e8a2d-7d9b-4f25-8f0e-0d4f1c0a9b11";
const other = "a3a7c7ff-1e0f-4d3b-9a55-b7d5a7a0b2c4";

type CacheLab = ReturnType<typeof createCacheLab>;

async function codeOf(call: Promise<unknown>): Promise<Code> {
	return ConnectError.from(
		await call.then(
			() => "it was answered",
			(error: unknown) => error,
		),
	).code;
}

/** Accepts a payment, leases it and pins it. */
async function pinnedJob({ queue, done }: CacheLab, payment = id): Promise<Job & { requestedAtUs: bigint }> {
	await done(queue.enqueue({ id: payment, amountCents: 1990n }));
	const { job } = await done(queue.dequeue({ sessionId: "tool" }));
	const { token, epoch } = job!;
	const pin = await done(queue.pin({ id: payment, token, epoch, processor: Processor.DEFAULT }));
	expect(pin.outcome).toBe(PinOutcome.PINNED);
	return { ...job!, requestedAtUs: pin.requestedAtUs };
}

const settlement = ({ id, epoch, amountCents }: Job, requestedAtUs: bigint) => ({
	id,
	epoch,
	proof: Proof.CHARGED,
	charge: { processor: Processor.DEFAULT, amountCents, requestedAtUs },
});

describe("accepting", () => {
	test("the same payment in other case is the same payment", async () => {
		const { queue, stats, done } = createCacheLab();
		expect(await done(queue.enqueue({ id, amountCents: 5n }))).toMatchObject({ outcome: EnqueueOutcome.ACCEPTED });
		expect(await done(queue.enqueue({ id: id.toUpperCase(), amountCents: 5n }))).toMatchObject({
			outcome: EnqueueOutcome.REPEATED,
		});
		const { payment } = await done(stats.getPayment({ id: id.toUpperCase() }));
		expect(payment).toMatchObject({ id, amountCents: 5n, state: PaymentState.ACCEPTED });
	});

	test("the same id with another amount already exists", async () => {
		const { queue, done } = createCacheLab();
		await done(queue.enqueue({ id, amountCents: 5n }));
		expect(await codeOf(done(queue.enqueue({ id, amountCents: 6n })))).toBe(Code.AlreadyExists);
	});

	test("a full queue says when to come again", async () => {
		const { queue, done } = createCacheLab({ settings: { queueMax: 1 } });
		await done(queue.enqueue({ id, amountCents: 5n }));
		const error = ConnectError.from(
			await done(queue.enqueue({ id: other, amountCents: 5n })).catch((error: unknown) => error),
		);
		expect(error.code).toBe(Code.ResourceExhausted);
		expect(error.findDetails(RetryAfterSchema)[0]?.retryMs).toBeGreaterThan(0);
	});

	test("batches on a stream are answered by their number", async () => {
		const { queue, clock } = createCacheLab();
		const batches = requests<{ batch: number; payments: { id: string; amountCents: bigint }[] }>();
		const answers = follow(queue.enqueueStream(batches));
		batches.send({ batch: 7, payments: [{ id, amountCents: 5n }] });
		batches.send({
			batch: 8,
			payments: [
				{ id, amountCents: 5n },
				{ id, amountCents: 6n },
			],
		});
		await clock.advance(5);
		expect(answers.items).toMatchObject([
			{ batch: 7, outcomes: [EnqueueOutcome.ACCEPTED] },
			{ batch: 8, outcomes: [EnqueueOutcome.REPEATED, EnqueueOutcome.CONFLICT] },
		]);
		batches.end();
		await clock.advance(5);
		expect(answers.end).toBe("done");
	});
});

describe("working on a payment", () => {
	test("a payment goes from accepted to settled over the streams, and the books have it", async () => {
		const { queue, stats, clock, done } = createCacheLab();
		const jobs = follow(queue.dequeueBatch({ sessionId: "a", credit: 10, pursuitCredit: 1 }));
		await clock.settle();
		expect(jobs.items).toMatchObject([{ jobs: [], lost: [], leaseMs: 8000, inFlightMax: 1000 }]);

		await done(queue.enqueue({ id, amountCents: 1990n }));
		const job = (jobs.items as DequeueBatchResponse[])[1]!.jobs[0]!;
		expect(job).toMatchObject({ id, amountCents: 1990n, attempts: 0 });
		expect(job.pin).toBeUndefined();

		const { token, epoch } = job;
		const pins = requests<{ batch: number; pins: object[] }>();
		const pinned = follow(queue.pinStream(pins));
		pins.send({ batch: 1, pins: [{ id, token, epoch, processor: Processor.DEFAULT }] });
		await clock.advance(5);
		expect(pinned.items).toMatchObject([{ batch: 1, pins: [{ outcome: PinOutcome.PINNED }] }]);
		const { requestedAtUs } = pinned.items[0]!.pins[0]!;

		const settles = requests<{ batch: number; settlements: object[] }>();
		const settled = follow(stats.insertStatsStream(settles));
		settles.send({ batch: 1, settlements: [settlement(job, requestedAtUs), settlement(job, requestedAtUs)] });
		await clock.advance(5);
		expect(settled.items).toMatchObject([{ batch: 1, outcomes: [SettleOutcome.SETTLED, SettleOutcome.REPEATED] }]);

		const { payment } = await done(stats.getPayment({ id }));
		expect(payment).toMatchObject({ state: PaymentState.SETTLED, attempts: 1, flagged: false });
		expect(payment!.attemptLog).toMatchObject([{ token, state: AttemptState.CHARGED }]);
		expect(await done(stats.summary({}))).toMatchObject({
			default: { count: 1n, amountCents: 1990n },
			fallback: { count: 0n, amountCents: 0n },
		});
		expect(await done(stats.figures({}))).toMatchObject({ accepted: 1n, settled: 1n, leased: 0n, consumers: 1 });
	});

	test("a job that nobody renews comes back by itself, on credit that is free again", async () => {
		const { queue, clock, done } = createCacheLab();
		const jobs = follow(queue.dequeueBatch({ sessionId: "a", credit: 1, pursuitCredit: 0 }));
		await done(queue.enqueue({ id, amountCents: 1990n }));
		await clock.advance(10_000);
		const given = jobs.items.flatMap((response) => response.jobs);
		expect(given.map((job) => job.id)).toEqual([id, id]);
		expect(given[0]!.token).not.toBe(given[1]!.token);
	});

	test("a release of what is not held changes nothing", async () => {
		const lab = createCacheLab();
		const { token, epoch } = await pinnedJob(lab);
		const release = { id, token: token + 1n, epoch, result: AttemptResult.NOT_CHARGED };
		expect(await lab.done(lab.queue.release(release))).toMatchObject({ outcome: ReleaseOutcome.FENCED });
		expect(await lab.done(lab.queue.release({ ...release, token }))).toMatchObject({
			outcome: ReleaseOutcome.RELEASED,
		});
	});

	test("tokens beyond what any lease can have are lost, not mistaken for others", async () => {
		const { queue, done, clock } = createCacheLab();
		const tokens = [2n ** 53n + 1n, 2n ** 63n + 1n, 2n ** 64n - 1n];
		expect((await done(queue.renew({ sessionId: "a", tokens }))).lost).toEqual(tokens);
		const held = tokens.map((token) => ({ id, token }));
		const { items } = follow(queue.dequeueBatch({ sessionId: "a", held }));
		await clock.settle();
		expect(items.map(({ lost }) => lost)).toEqual([tokens]);
	});
});

describe("the books", () => {
	test("nanoseconds of a window's bounds are rounded towards its inside", async () => {
		const lab = createCacheLab();
		const job = await pinnedJob(lab);
		const { seconds } = timestampFromMs(lab.clock.now());
		await lab.done(lab.stats.insertStats({ settlements: [settlement(job, seconds * 1_000_000n + 5n)] }));
		const count = async (fromNanos: number, toNanos: number) => {
			const window = { from: { seconds, nanos: fromNanos }, to: { seconds, nanos: toNanos } };
			return (await lab.done(lab.stats.summary(window))).default!.count;
		};
		expect(await count(5000, 5000)).toBe(1n);
		expect(await count(4001, 5999)).toBe(1n);
		expect(await count(5001, 6000)).toBe(0n);
		expect(await count(4000, 4999)).toBe(0n);
	});

	test("bounds beyond what the ledger can hold are as good as open, or as empty", async () => {
		const lab = createCacheLab();
		const job = await pinnedJob(lab);
		await lab.done(lab.stats.insertStats({ settlements: [settlement(job, 0n)] }));
		const first = { seconds: -62_135_596_800n, nanos: 0 };
		const last = { seconds: 253_402_300_799n, nanos: 999_999_999 };
		expect((await lab.done(lab.stats.summary({ from: first, to: last }))).default!.count).toBe(1n);
		expect((await lab.done(lab.stats.summary({ from: first, to: first }))).default!.count).toBe(0n);
	});

	test("an unknown payment is not found", async () => {
		const { stats, done } = createCacheLab();
		expect(await codeOf(done(stats.getPayment({ id })))).toBe(Code.NotFound);
	});

	test("a purge begins a new epoch, and what the old one settles is stale", async () => {
		const lab = createCacheLab();
		const job = await pinnedJob(lab);
		const purged = await lab.done(lab.stats.purge({ waitMs: 20 }));
		expect(purged).toMatchObject({ epoch: job.epoch + 1n, forgotten: 1n, keptInDoubt: 1n });
		// The same request, carried out once more: what has come since stays.
		const repeated = await lab.done(lab.stats.purge({ waitMs: 20, epoch: job.epoch }));
		expect(repeated).toMatchObject({ epoch: job.epoch + 1n, forgotten: 0n, keptInDoubt: 0n });
		const { outcomes } = await lab.done(lab.stats.insertStats({ settlements: [settlement(job, job.requestedAtUs)] }));
		expect(outcomes).toEqual([SettleOutcome.STALE]);
		expect(await codeOf(lab.done(lab.stats.getPayment({ id })))).toBe(Code.NotFound);
	});
});

test("a purge that is asked twice ends one epoch, whenever the second comes", async () => {
	for (let turns = 0; turns < 20; turns++) {
		const lab = createCacheLab();
		const { epoch } = await lab.done(lab.stats.figures({}));
		const first = lab.stats.purge({ epoch });
		for (let turn = 0; turn < turns; turn++) await undefined;
		const both = await lab.done(Promise.all([first, lab.stats.purge({ epoch })]));
		expect(both.map((purged) => purged.epoch)).toEqual([epoch + 1n, epoch + 1n]);
	}
});

describe("parked payments", () => {
	async function parked() {
		const lab = createCacheLab({
			settings: { doubt: { pauseMinMs: 1, pauseMaxMs: 1, parkAfterMs: 0, parkedPauseMs: 1e6 } },
		});
		for (const payment of [id, other]) {
			const { token, epoch } = await pinnedJob(lab, payment);
			await lab.done(lab.queue.release({ id: payment, token, epoch, result: AttemptResult.UNKNOWN }));
		}
		return lab;
	}

	test("are listed page by page", async () => {
		const { stats, done } = await parked();
		const first = await done(stats.listParked({ pageSize: 1 }));
		expect(first.payments.map(({ id, state }) => [id, state])).toEqual([[id, PaymentState.PARKED]]);
		const second = await done(stats.listParked({ pageSize: 2, pageToken: first.nextPageToken }));
		expect(second.payments.map(({ id }) => id)).toEqual([other]);
		expect(second.nextPageToken).toBe("");
		expect(await codeOf(done(stats.listParked({ pageToken: "x" })))).toBe(Code.InvalidArgument);
	});

	test("a page of long ones has fewer than was asked for, fits into a message as JSON too, and all are told", async () => {
		const rows = createMemoryRows();
		const count = 600;
		const resolution = { decision: "retry", who: "ops", why: "\u0001".repeat(1_000), atUs: startUs } as const;
		for (let n = 0; n < count; n++) {
			const accepted = life.accept(idOf(n), 1_990n, startUs);
			const pin = { processor: "default", requestedAtUs: startUs } as const;
			rows.insert({ ...accepted, state: "parked", pin, attempts: 1, dueAtMs: 9e15, resolution });
		}
		const { stats, done } = createCacheLab({ rows });
		const told: string[] = [];
		let pages = 0;
		for (let pageToken = ""; pages === 0 || pageToken !== ""; pages++) {
			const page = await done(stats.listParked({ pageSize: 1_000, pageToken }));
			expect(toJsonString(ListParkedResponseSchema, page).length).toBeLessThan(messageLimits.writeMaxBytes);
			told.push(...page.payments.map(({ id }) => id));
			pageToken = page.nextPageToken;
		}
		expect(told).toEqual(Array.from({ length: count }, (_, n) => idOf(n)));
		expect(pages).toBeGreaterThan(1);
	});

	test("are resolved once, by whom and why", async () => {
		const { stats, done } = await parked();
		const decision = { id, decision: Decision.GIVE_UP, who: "ops", why: "refunded by hand" };
		const { payment } = await done(stats.resolveParked(decision));
		expect(payment).toMatchObject({
			state: PaymentState.GIVEN_UP,
			resolution: { who: "ops", why: "refunded by hand" },
		});
		expect(await codeOf(done(stats.resolveParked(decision)))).toBe(Code.FailedPrecondition);
		expect(await codeOf(done(stats.resolveParked({ ...decision, id: id.replace("5", "6") })))).toBe(Code.NotFound);
	});

	test("are settled only at the processor that they are pinned to", async () => {
		const { stats, done } = await parked();
		const charge = { processor: Processor.FALLBACK, amountCents: 1990n, requestedAtUs: 1n };
		const decision = { id, decision: Decision.SETTLE, who: "ops", why: "seen at the processor", charge };
		expect(await codeOf(done(stats.resolveParked(decision)))).toBe(Code.FailedPrecondition);
		const { payment } = await done(
			stats.resolveParked({ ...decision, charge: { ...charge, processor: Processor.DEFAULT } }),
		);
		expect(payment).toMatchObject({ state: PaymentState.SETTLED, flagged: true });
	});
});

describe("watching", () => {
	test("figures come at the asked interval until the watcher leaves", async () => {
		const { stats, clock, cache } = createCacheLab();
		const leave = new AbortController();
		const figures = follow(stats.watchFigures({ intervalMs: 200 }, { signal: leave.signal }));
		await clock.advance(1000);
		expect(figures.items).toHaveLength(6);
		leave.abort();
		await clock.advance(1000);
		expect(figures.items).toHaveLength(6);
		expect(ConnectError.from(figures.end).code).toBe(Code.Canceled);
		await cache.close();
		expect(clock.pending()).toBe(0);
	});

	test("only so many may watch at once, and who leaves makes room", async () => {
		const { stats, clock } = createCacheLab();
		const leave = new AbortController();
		const watch = () => follow(stats.watchFigures({}, { signal: leave.signal }));
		const watching = Array.from({ length: 64 }, watch);
		await clock.settle();
		const refused = watch();
		await clock.settle();
		expect(ConnectError.from(refused.end).code).toBe(Code.ResourceExhausted);
		expect(watching.every(({ items, end }) => items.length === 1 && end === undefined)).toBe(true);
		leave.abort();
		await clock.settle();
		const later = follow(stats.watchFigures({}));
		await clock.settle();
		expect(later.items).toHaveLength(1);
	});

	test("a shorter interval than the bound is stretched to it", async () => {
		const { stats, clock } = createCacheLab();
		const figures = follow(stats.watchFigures({ intervalMs: 1 }));
		await clock.advance(1000);
		expect(figures.items).toHaveLength(11);
	});

	test("the figures show what consumers last reported, until they are silent for long", async () => {
		const { clock, processors, stats, done } = createCacheLab();
		const report = (sessionId: string, inHand: number) =>
			done(processors.reportConsumer({ figures: { sessionId, inHand } }));
		const seen = async () =>
			(await done(stats.figures({}))).consumerFigures.map(({ sessionId, inHand }) => [sessionId, inHand]);
		await report("a", 1);
		await report("b", 2);
		await report("a", 3);
		expect(await seen()).toEqual([
			["a", 3],
			["b", 2],
		]);
		await clock.advance(14_000);
		await report("a", 4);
		await clock.advance(2_000);
		expect(await seen()).toEqual([["a", 4]]);
	});

	test("only so many consumers may report, and those that are gone make room", async () => {
		const { clock, processors, done } = createCacheLab();
		const report = (n: number) => done(processors.reportConsumer({ figures: { sessionId: `s${n}` } }));
		for (let n = 0; n < 1_000; n++) await report(n);
		await report(7);
		expect(await codeOf(report(1_000))).toBe(Code.ResourceExhausted);
		await clock.advance(15_000);
		await report(1_000);
	});

	test("health is told at once to who comes, and to all when it changes", async () => {
		const { processors, clock, done } = createCacheLab();
		const health = { processor: Processor.DEFAULT, reachable: true, failing: false, minResponseMs: 10, atUs: 7n };
		await done(processors.reportHealth({ health }));
		const watch = follow(processors.watchHealth({}));
		await clock.settle();
		await done(processors.reportHealth({ health: { ...health, failing: true } }));
		await done(processors.reportHealth({ health: { ...health, processor: Processor.FALLBACK } }));
		expect(watch.items.map(({ health }) => [health!.processor, health!.failing])).toEqual([
			[Processor.DEFAULT, false],
			[Processor.DEFAULT, true],
			[Processor.FALLBACK, false],
		]);
	});

	test("one poll of a processor's health is granted per gap", async () => {
		const { processors, clock, done } = createCacheLab();
		const claim = () => done(processors.claimHealthPoll({ processor: Processor.DEFAULT }));
		expect(await claim()).toMatchObject({ granted: true });
		const refused = await claim();
		expect(refused.granted).toBe(false);
		await clock.advance(refused.nextMs);
		expect(await claim()).toMatchObject({ granted: true });
	});
});

describe("sessions", () => {
	test("of which there are too many are refused, and leave nothing to be looked after", async () => {
		const { queue, clock } = createCacheLab();
		const open = (n: number) => follow(queue.dequeueBatch({ sessionId: `s${n}`, credit: 1 }));
		for (let n = 0; n < 1_000; n++) open(n);
		await clock.settle();
		const before = clock.pending();
		const refused = open(1_000);
		await clock.settle();
		expect(refused.end).toMatchObject({ code: Code.ResourceExhausted });
		expect(clock.pending()).toBe(before);
	});
});

describe("the end", () => {
	async function open({ queue, stats, processors, clock }: CacheLab) {
		const batches = requests<{ batch: number; payments: { id: string; amountCents: bigint }[] }>();
		const streams = [
			follow(queue.dequeueBatch({ sessionId: "a", credit: 1 })),
			follow(queue.enqueueStream(batches)),
			follow(stats.watchFigures({})),
			follow(processors.watchHealth({})),
		];
		await clock.settle();
		return { streams, batches };
	}

	test("a store that fails ends everything with UNAVAILABLE, once and for good", async () => {
		const rows = createMemoryRows();
		const lab = createCacheLab({ rows });
		const { streams, batches } = await open(lab);
		rows.sync = () => Promise.reject(new Error("no space left on device"));
		batches.send({ batch: 1, payments: [{ id, amountCents: 5n }] });
		await lab.clock.advance(5);
		for (const { end } of streams) expect(ConnectError.from(end).code).toBe(Code.Unavailable);
		expect(streams[1]!.items).toEqual([]);
		expect(lab.failures).toHaveLength(1);
		expect(lab.cache.serving).toBe(false);
		expect(await codeOf(lab.done(lab.stats.summary({})))).toBe(Code.Unavailable);
		expect(lab.failures).toHaveLength(1);
		await lab.clock.advance(60_000);
		expect(lab.clock.pending()).toBe(0);
	});

	test("closing answers what was asked before, ends all streams, and leaves no timer", async () => {
		const lab = createCacheLab();
		const { streams } = await open(lab);
		const accepted = lab.queue.enqueue({ id, amountCents: 5n });
		await Promise.resolve();
		await lab.clock.settle();
		await lab.cache.close();
		expect(await accepted).toMatchObject({ outcome: EnqueueOutcome.ACCEPTED });
		await lab.clock.settle();
		for (const { end } of streams) expect(ConnectError.from(end).code).toBe(Code.Unavailable);
		expect(await codeOf(lab.queue.enqueue({ id, amountCents: 5n }))).toBe(Code.Unavailable);
		expect(lab.failures).toEqual([]);
		expect(lab.clock.pending()).toBe(0);
	});
});
