import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test, vi } from "vitest";
import { createHands, type Hand } from "../../src/consumer/hands.ts";
import { createJobStream, type StreamClient } from "../../src/consumer/stream.ts";
import { createFakeClock, type FakeClock } from "../fake-clock.ts";
import { createCloud } from "./cloud.ts";
import { makeJob, never, sentAtUs } from "./harness.ts";

function setup(wrap: (client: StreamClient, clock: FakeClock) => StreamClient = (client) => client, dropsLost = false) {
	const clock = createFakeClock();
	const cloud = createCloud();
	const hands = createHands(clock);
	const heard: string[] = [];
	const backlogs: number[] = [];
	const warnings: string[] = [];
	const mistakes: unknown[] = [];
	const note = (what: string) => (some: Hand[]) =>
		heard.push(`${what} ${some.map((hand) => hand.job.token).join(" ")}`.trim());
	const stream = createJobStream({
		client: wrap(cloud.stream, clock),
		session: "s",
		credit: 10,
		retryCredit: 5,
		pursuitCredit: 3,
		hands,
		clock,
		random: () => 0.5,
		log: { info: () => {}, warn: (_: unknown, what: string) => warnings.push(what) } as never,
		reconnect: { baseMs: 20, maxMs: 1_000 },
		onBacklog: (payments) => backlogs.push(payments),
		onJobs: note("jobs"),
		onLost(lost) {
			note("lost")(lost);
			if (dropsLost) for (const hand of lost) hands.drop(hand);
		},
		onStray: note("stray"),
		onError: (error) => mistakes.push(error),
		onConnected: (connected, bound) => heard.push(connected ? `connected ${bound}` : "cut"),
	});
	const controller = new AbortController();
	return { clock, cloud, hands, heard, backlogs, warnings, mistakes, stream, controller };
}

test("jobs come with all that is known of them", async () => {
	const { clock, cloud, hands, heard, stream, controller } = setup();
	const running = stream.run(controller.signal);
	await clock.settle();
	const pin = { processor: "fallback", requestedAtUs: sentAtUs + 1 } as const;
	cloud.offer(makeJob(1), makeJob(2, { pin, attempts: 3 }));
	await clock.settle();
	expect(heard).toEqual(["connected 512", "jobs 1 2"]);
	expect(hands.all().map((hand) => hand.job)).toEqual([makeJob(1), makeJob(2, { pin, attempts: 3 })]);
	controller.abort();
	await running;
	expect(clock.pending()).toBe(0);
});

test("what is still to come is told with each message, and is nothing while the queue is away", async () => {
	const { clock, cloud, backlogs, stream, controller } = setup();
	cloud.world.backlog = 7;
	const running = stream.run(controller.signal);
	await clock.settle();
	expect(backlogs).toEqual([7]);
	cloud.world.backlog = 5;
	cloud.offer(makeJob(1, { waitedMs: 90_000 }));
	await clock.settle();
	expect(backlogs).toEqual([7, 5]);
	cloud.cut();
	await clock.settle();
	expect(backlogs).toEqual([7, 5, 0]);
	controller.abort();
	await running;
});

test("a stream that falls silent for the length of a lease is opened anew", async () => {
	const { clock, cloud, stream, controller } = setup();
	void stream.run(controller.signal);
	await clock.advance(8_999);
	expect(cloud.opened).toHaveLength(1);
	await clock.advance(1_000);
	expect(cloud.opened).toHaveLength(2);
	controller.abort();
	await clock.settle();
	expect(clock.pending()).toBe(0);
});

test("a queue that takes the call and never says a word is given up, and asked anew", async () => {
	let tries = 0;
	const { clock, stream, controller } = setup((client) => ({
		...client,
		async *dequeueBatch(_, options) {
			tries++;
			await new Promise<void>((resolve) => options?.signal?.addEventListener("abort", () => resolve()));
		},
	}));
	void stream.run(controller.signal);
	await clock.advance(4_999);
	expect(tries).toBe(1);
	await clock.advance(1_000);
	expect(tries).toBe(2);
	controller.abort();
	await clock.settle();
});

test("pauses between tries grow, and a queue that stays away is not hammered", async () => {
	let tries = 0;
	const { clock, stream, controller } = setup((client) => ({
		...client,
		dequeueBatch: () => {
			tries++;
			throw new ConnectError("away", Code.Unavailable);
		},
	}));
	void stream.run(controller.signal);
	await clock.advance(60_000);
	expect(tries).toBeGreaterThan(100);
	expect(tries).toBeLessThan(150);
	controller.abort();
	await clock.settle();
	expect(clock.pending()).toBe(0);
});

test("each cut of a stream that was well is mended soon, however many there were, and leaves nothing behind", async () => {
	const { clock, cloud, stream, controller } = setup();
	const added = vi.spyOn(controller.signal, "addEventListener");
	const removed = vi.spyOn(controller.signal, "removeEventListener");
	const running = stream.run(controller.signal);
	await clock.settle();
	for (let cuts = 1; cuts <= 10; cuts++) {
		cloud.cut();
		await clock.settle();
		cloud.heal();
		await clock.advance(40);
		expect(cloud.opened).toHaveLength(1 + cuts);
	}
	controller.abort();
	await running;
	expect(removed.mock.calls.length).toBe(added.mock.calls.length);
});

test("a cache that goes away is told of once; a mistake in the program is told as what it is", async () => {
	const { clock, cloud, stream, warnings, mistakes, controller } = setup((client) => ({
		...client,
		renew: () => Promise.reject(mistake),
	}));
	const mistake = new TypeError("a mistake");
	void stream.run(controller.signal);
	await clock.settle();
	cloud.cut();
	await clock.advance(5_000);
	expect(warnings).toEqual(["the cache is away"]);
	expect(mistakes).toEqual([]);
	cloud.heal();
	await clock.advance(1_000);
	void stream.renew(controller.signal);
	cloud.offer(makeJob(1));
	await clock.advance(3_400);
	expect(mistakes).toEqual([mistake]);
	controller.abort();
	await clock.settle();
});

test("what the messages of a stream are refused for is a mistake in the program, and it is opened again all the same", async () => {
	let tries = 0;
	const { clock, stream, warnings, mistakes, controller } = setup((client) => ({
		...client,
		async *dequeueBatch() {
			if (tries++ > 0) return;
			const pin = { processor: 99, requestedAtUs: 0n };
			yield { lost: [], jobs: [], leaseMs: 10_000, inFlightMax: 1, backlog: 0 } as never;
			yield { lost: [], jobs: [{ ...makeJob(1), pin }], leaseMs: 0, inFlightMax: 0, backlog: 0 } as never;
		},
	}));
	void stream.run(controller.signal);
	await clock.advance(100);
	expect(mistakes).toEqual([new Error("processor 99 is not known")]);
	expect(warnings).toEqual([]);
	expect(tries).toBeGreaterThan(1);
	controller.abort();
	await clock.settle();
});

test("a renewal that gets no answer makes the stream connect anew", async () => {
	const { clock, cloud, stream, controller, hands } = setup((client) => ({
		...client,
		renew: () => Promise.reject(new ConnectError("no answer", Code.DeadlineExceeded)),
	}));
	void stream.run(controller.signal);
	await clock.settle();
	void stream.renew(controller.signal);
	cloud.offer(makeJob(1));
	await clock.advance(3_100);
	expect(cloud.opened.map(({ held }) => held)).toEqual([[], [1n]]);
	expect(hands.size).toBe(1);
	controller.abort();
	await clock.settle();
	expect(clock.pending()).toBe(0);
});

test("leases that were lost while the queue was away are told so, and are not asked for again", async () => {
	const { clock, cloud, stream, controller, hands, heard } = setup();
	void stream.run(controller.signal);
	await clock.settle();
	cloud.offer(makeJob(1), makeJob(2));
	await clock.settle();
	const [first, second] = hands.all() as [Hand, Hand];
	cloud.world.forget.add(1n);
	for (const held of [[1n, 2n], [2n]]) {
		cloud.cut();
		await clock.settle();
		cloud.heal();
		await clock.advance(100);
		expect(cloud.opened.at(-1)?.held).toEqual(held);
	}
	expect(heard.filter((what) => what.startsWith("lost"))).toEqual(["lost 1"]);
	expect([hands.holds(first), hands.holds(second)]).toEqual([false, true]);
	controller.abort();
	await clock.settle();
});

test("leases that are lost are not handed over to be given back, too", async () => {
	const { clock, cloud, stream, controller, heard } = setup(undefined, true);
	void stream.run(controller.signal);
	await clock.settle();
	cloud.offer(makeJob(1));
	await clock.settle();
	cloud.world.forget.add(1n);
	cloud.cut();
	await clock.settle();
	cloud.heal();
	await clock.advance(100);
	expect(heard.slice(-2)).toEqual(["lost 1", "connected 512"]);
	controller.abort();
	await clock.settle();
});

test("leases that a renewal finds lost are told so, and what is left of them is renewed in bounded parts", async () => {
	const { clock, cloud, stream, controller, hands, heard } = setup();
	void stream.run(controller.signal);
	await clock.settle();
	void stream.renew(controller.signal);
	cloud.offer(...Array.from({ length: 20_002 }, (_, n) => makeJob(n + 1)));
	await clock.settle();
	cloud.world.forget.add(20_001n);
	await clock.advance(3_000);
	expect(cloud.renewed.map((tokens) => tokens.length)).toEqual([20_000, 2]);
	expect(heard.at(-1)).toBe("lost 20001");
	expect(
		hands
			.all()
			.map(hands.holds)
			.filter((holds) => !holds),
	).toHaveLength(1);
	controller.abort();
	await clock.settle();
});

test.each([
	"renewal",
	"reconnection",
])("a lease counts from when a %s was asked for, however late that is answered", async (how) => {
	let asked = 0;
	/** The first one is answered late, and those that follow never. */
	const late = async (clock: FakeClock): Promise<void> => (asked++ === 0 ? clock.sleep(2_000) : never());
	const { clock, cloud, stream, controller, hands } = setup((client, clock) => ({
		async renew(...args) {
			if (how === "renewal") await late(clock);
			return client.renew(...args);
		},
		async *dequeueBatch(...args) {
			if (hands.size > 0) await (how === "reconnection" ? late(clock) : never());
			yield* client.dequeueBatch(...args);
		},
	}));
	void stream.run(controller.signal);
	await clock.settle();
	cloud.offer(makeJob(1));
	await clock.settle();
	const [hand] = hands.all() as [Hand];
	if (how === "renewal") void stream.renew(controller.signal);
	await clock.advance(2_990);
	if (how === "reconnection") {
		cloud.cut();
		await clock.settle();
		cloud.heal();
	}
	// Asked for after 3 s, at once or after the pause before it connects again.
	await clock.advance(9_000);
	expect(hands.holds(hand)).toBe(true);
	await clock.advance(100);
	expect(hands.holds(hand)).toBe(false);
	controller.abort();
	await clock.settle();
});

test("a lease that was taken up again although its job had ended meanwhile is handed over to be given back", async () => {
	const { clock, cloud, stream, controller, hands, heard } = setup();
	void stream.run(controller.signal);
	await clock.settle();
	cloud.offer(makeJob(1), makeJob(2));
	await clock.settle();
	const hand = hands.all()[0] as Hand;
	cloud.cut();
	await clock.settle();
	cloud.heal();
	const opened = cloud.opened.length;
	cloud.opened.push = function (...items) {
		// The job ends between the request and its answer.
		hands.drop(hand);
		return Array.prototype.push.apply(this, items);
	};
	await clock.advance(100);
	expect(cloud.opened.length).toBe(opened + 1);
	expect(heard).toContain("stray 1");
	controller.abort();
	await clock.settle();
});

test("a lease holds until its end as counted from when it was asked for, and never once it was lost", async () => {
	const clock = createFakeClock();
	const hands = createHands(clock);
	const hand = hands.take(makeJob(1), 1_000);
	await clock.advance(900);
	const askedAtMs = clock.monotonic();
	await clock.advance(50);
	hands.extend([hand], askedAtMs, 1_000);
	await clock.advance(949);
	expect(hands.holds(hand)).toBe(true);
	await clock.advance(1);
	expect(hands.holds(hand)).toBe(false);
	const other = hands.take(makeJob(2), 1_000);
	hands.lose([2n, 99n]);
	hands.extend([other], clock.monotonic(), 1_000);
	expect(hands.holds(other)).toBe(false);
});
