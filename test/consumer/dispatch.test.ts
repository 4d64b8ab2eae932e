import { expect, test, vi } from "vitest";
import { createBoard } from "../../src/consumer/board.ts";
import { breakerDefaults } from "../../src/consumer/breaker.ts";
import { createDispatch } from "../../src/consumer/dispatch.ts";
import { createHands, type Hand } from "../../src/consumer/hands.ts";
import { unpaced } from "../../src/consumer/pace.ts";
import type { Job } from "../../src/consumer/ports.ts";
import { createRetryBudget } from "../../src/consumer/retry-budget.ts";
import { routeDefaults } from "../../src/consumer/route.ts";
import type { Processor } from "../../src/payment/payment.ts";
import { createFakeClock } from "../fake-clock.ts";
import { limits, makeJob, sentAtUs } from "./harness.ts";

function setup({ burstMax = 2, workers = 100, start = 4, pace = unpaced } = {}) {
	const clock = createFakeClock();
	const random = () => 0.5;
	const board = createBoard({ limiter: { ...limits, start, pursuitsMax: 2 }, breaker: breakerDefaults, clock, random });
	const budget = createRetryBudget({ ratio: 0.5, burstMax, tricklePerS: 1 }, clock);
	const hands = createHands(clock);
	const started: string[] = [];
	const dones: (() => void)[] = [];
	const given: string[] = [];
	const running = { fresh: 0, default: 0, fallback: 0 };
	const dispatch = createDispatch({
		board,
		budget,
		route: { ...routeDefaults, fees: { default: 0.05, fallback: 0.15 } },
		pace,
		clock,
		laneMax: 2,
		free: (lane) => (lane === "fresh" ? workers - running.fresh : 2 - running[lane]),
		start(hand, processor, lane, done) {
			running[lane]++;
			started.push(`${hand.job.token} ${processor}${hand.probing ? " probe" : ""}`);
			dones.push(() => {
				running[lane]--;
				done();
			});
		},
		giveBack: (hand) => given.push(String(hand.job.token)),
	});
	dispatch.setConnected(true);
	const take = (n: number, more: Partial<Job> = {}): Hand => hands.take(makeJob(n, more), 10_000);
	const down = (processor: Processor) => {
		for (let i = 0; i < breakerDefaults.failuresMax; i++) board[processor].breaker.record("not_charged", "earlier");
	};
	return { clock, board, budget, hands, dispatch, started, dones, given, take, down };
}

const doubt = (processor: Processor) => ({ attempts: 1, pin: { processor, requestedAtUs: sentAtUs } });

test("jobs start while there are slots; the rest wait, and follow as slots are freed", async () => {
	const { clock, dispatch, started, dones, take } = setup();
	dispatch.accept([1, 2, 3, 4, 5, 6].map((n) => take(n)));
	await clock.settle();
	expect(started).toEqual(["1 default", "2 default", "3 default", "4 default"]);
	expect(dispatch.waiting).toBe(2);
	dones[0]?.();
	await clock.settle();
	expect(started.at(-1)).toBe("5 default");
});

test("with more to come than the cheaper processor charges within the patience, what finds no slot in time goes to the dearer one", async () => {
	const { clock, board, dispatch, started, dones, take } = setup();
	const tell = () => board.default.tell({ reachable: true, failing: false, minResponseMs: 5_000 }, 0);
	tell();
	board.default.limiter.setBound(4);
	dispatch.setBacklog(1_000);
	dispatch.accept([1, 2, 3, 4, 5].map((n) => take(n)));
	await clock.advance(40_000);
	tell();
	dones.shift()?.();
	dispatch.accept([6, 7, 8, 9, 10].map((n) => take(n)));
	await clock.settle();
	expect(started.slice(4), "for so long it may still become quicker").toEqual(["5 default"]);
	await clock.advance(11_000);
	expect(started.slice(5), "as many as have a slot there").toEqual([6, 7, 8, 9].map((n) => `${n} fallback`));
	const [six] = dones.splice(4, 1);
	six?.();
	dones.shift()?.();
	await clock.settle();
	expect(started.slice(9), "the cheaper one's queue is too long for a slot of its own, too").toEqual(["10 fallback"]);
	dispatch.setBacklog(0);
	dispatch.accept([take(11)]);
	await clock.settle();
	expect(started.at(-1)).toBe("11 default");
});

test("a payment's patience counts from its acceptance, wherever it waited", async () => {
	const { clock, dispatch, started, take, down } = setup();
	down("default");
	const probe = take(1);
	dispatch.accept([probe, take(2, { waitedMs: 60_000 }), take(3)]);
	await clock.advance(300);
	expect(started).toEqual(["1 default probe", "2 fallback"]);
});

test("no more jobs start than there are workers", async () => {
	const { clock, dispatch, started, take } = setup({ workers: 2 });
	dispatch.accept([1, 2, 3].map((n) => take(n)));
	await clock.settle();
	expect(started).toHaveLength(2);
});

test("what the pace does not allow yet is started as soon as it does", async () => {
	let left = 1;
	const pace = { take: () => left-- > 0, nextMs: 15 };
	const { clock, dispatch, started, take } = setup({ pace });
	dispatch.accept([1, 2, 3].map((n) => take(n)));
	await clock.settle();
	expect(started).toEqual(["1 default"]);
	await clock.advance(14);
	expect(started).toHaveLength(1);
	left = 2;
	await clock.advance(1);
	expect(started).toEqual(["1 default", "2 default", "3 default"]);
});

test("a retry that has to wait for the pace costs none of the budget", async () => {
	let open = false;
	const pace = { take: () => open, nextMs: 15 };
	const { clock, budget, dispatch, started, take, down } = setup({ pace, burstMax: 1 });
	down("default");
	down("fallback");
	dispatch.accept([take(1, { attempts: 1 })]);
	await clock.advance(100);
	expect(started).toEqual([]);
	expect(budget.available).toBe(true);
	open = true;
	await clock.advance(1_000);
	expect(started).toHaveLength(1);
});

test("while the queue is away nothing is started", async () => {
	const { clock, dispatch, started, take } = setup();
	dispatch.setConnected(false);
	dispatch.accept([take(1)]);
	await clock.advance(1_000);
	expect(started).toEqual([]);
	dispatch.setConnected(true);
	await clock.settle();
	expect(started).toEqual(["1 default"]);
});

test("payments in doubt at a dead processor hold up neither the others nor those in doubt at the living one", async () => {
	const { clock, dispatch, started, given, take, down } = setup();
	down("default");
	dispatch.accept([1, 2, 3, 4, 5, 6, 7].map((n) => take(n, doubt("default"))));
	dispatch.accept([take(8, doubt("fallback")), take(9)]);
	await clock.settle();
	expect(given, "what does not fit in its lane goes back at once").toEqual(["5", "6", "7"]);
	expect(started).toEqual(["1 default", "2 default", "8 fallback"]);
	await clock.advance(5_000);
	expect(started.some((start) => start.startsWith("9 "))).toBe(true);
});

test("retries wait for their budget without holding up first attempts", async () => {
	const { clock, dispatch, started, take } = setup({ burstMax: 1, start: 8 });
	dispatch.accept([take(1, { attempts: 1 }), take(2, { attempts: 3 }), take(3), take(4)]);
	await clock.settle();
	expect(started).toEqual(["1 default", "3 default", "4 default"]);
	expect(dispatch.waiting).toBe(1);
	await clock.advance(1_000);
	expect(started.at(-1)).toBe("2 default");
});

test("at a processor that does well retries need no budget; at one that does not they wait for it", async () => {
	const { clock, board, dispatch, started, dones, take } = setup({ burstMax: 0, start: 4 });
	const tried = [1, 2, 3].map((n) => take(n, { attempts: 1 }));
	dispatch.accept([...tried, take(4)]);
	await clock.settle();
	expect(started).toEqual(["4 default"]);
	for (let i = 0; i < breakerDefaults.wellMin; i++) board.default.breaker.record("charged", "earlier");
	dones[0]?.();
	await clock.settle();
	expect(started.slice(1)).toEqual(["1 default", "2 default", "3 default"]);
});

test.each([
	1, 2, 3,
])("a retry is not lost where its processor does well at %i looks and then no more", async (looks) => {
	const { clock, board, budget, dispatch, started, take } = setup({ burstMax: 1 });
	budget.spend(false);
	const spend = vi.spyOn(budget, "spend");
	const well = vi.spyOn(board.default.breaker, "well", "get").mockReturnValue(false);
	for (let i = 0; i < looks; i++) well.mockReturnValueOnce(true);
	dispatch.accept([take(1, { attempts: 1 })]);
	await clock.settle();
	expect(dispatch.waiting + started.length).toBe(1);
	await clock.advance(1_000);
	expect(started).toEqual(["1 default"]);
	expect(spend.mock.results.filter(({ value }) => value)).toHaveLength(1);
});

test("a processor that is down gets one probe at a time, with the rest going elsewhere once patience ends", async () => {
	const { clock, dispatch, started, dones, take, down, board } = setup();
	down("default");
	const probe = take(1);
	dispatch.accept([probe, take(2)]);
	await clock.advance(200);
	expect(started).toEqual(["1 default probe"]);
	board.default.breaker.record("charged", "earlier");
	dispatch.changed();
	await clock.settle();
	expect(started, "a charge that was under way says nothing").toEqual(["1 default probe"]);
	board.default.breaker.record("charged", probe.job.id);
	dones[0]?.();
	await clock.settle();
	expect(started).toEqual(["1 default probe", "2 default"]);
});

test("jobs whose lease was lost while they waited are never started", async () => {
	const { clock, dispatch, started, hands, take, dones } = setup({ start: 2 });
	dispatch.accept([1, 2, 3, 4].map((n) => take(n)));
	await clock.settle();
	hands.lose([3n]);
	dones[0]?.();
	await clock.settle();
	expect(started).toEqual(["1 default", "2 default", "4 default"]);
});

test.each([
	{},
	doubt("default"),
])("after no slot it comes again when the pause is over, and does not spin (%o)", async (more) => {
	const { clock, dispatch, started, take, board } = setup();
	board.default.limiter.noSlot();
	board.fallback.limiter.noSlot();
	dispatch.accept([take(1, more)]);
	await clock.settle();
	expect(started).toEqual([]);
	expect(clock.pending()).toBe(1);
	await clock.advance(limits.noSlotPauseMs);
	expect(started).toEqual(["1 default"]);
});

test("first attempts and retries take turns as they came", async () => {
	const { clock, dispatch, started, dones, take } = setup({ start: 1, workers: 1 });
	const first = take(1);
	dispatch.accept([first]);
	await clock.settle();
	for (const [n, attempts] of [
		[2, 1],
		[3, 0],
		[4, 1],
		[5, 0],
	] as const) {
		await clock.advance(1);
		dispatch.accept([take(n, { attempts })]);
	}
	for (let i = 0; i < 4; i++) {
		dones[i]?.();
		await clock.settle();
	}
	expect(started.map((what) => what.split(" ")[0])).toEqual(["1", "2", "3", "4", "5"]);
});

test("closing returns all that has waited and whose lease is not lost, and nothing is started or left behind", async () => {
	const { clock, dispatch, started, hands, take, down } = setup();
	down("default");
	down("fallback");
	const [fresh, retry, pursued, lost] = [take(2), take(3, { attempts: 1 }), take(4, doubt("fallback")), take(5)];
	dispatch.accept([take(1), fresh, retry, lost, take(6, doubt("fallback")), take(7, doubt("fallback")), pursued]);
	await clock.settle();
	const before = started.length;
	hands.lose([5n]);
	dispatch.changed();
	const waited = dispatch.close();
	expect(waited).toEqual(expect.arrayContaining([fresh, retry, pursued]));
	expect(waited).not.toContain(lost);
	expect(clock.pending()).toBe(0);
	dispatch.accept([take(8), take(9, doubt("default"))]);
	await clock.advance(60_000);
	expect(started).toHaveLength(before);
});
