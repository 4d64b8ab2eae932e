import { expect, test } from "vitest";
import { createHands, type Hand } from "../../src/consumer/hands.ts";
import { createJobStream, type StreamClient } from "../../src/consumer/stream.ts";
import { createFakeClock } from "../fake-clock.ts";
import { createCloud } from "./cloud.ts";
import { makeJob, sentAtUs } from "./harness.ts";

function setup(wrap: (client: StreamClient) => StreamClient = (client) => client) {
	const clock = createFakeClock();
	const cloud = createCloud();
	const hands = createHands(clock);
	const heard: string[] = [];
	const backlogs: number[] = [];
	const note = (what: string) => (some: Hand[]) =>
		heard.push(`${what} ${some.map((hand) => hand.job.token).join(" ")}`.trim());
	const stream = createJobStream({
		client: wrap(cloud.stream),
		session: "s",
		credit: 10,
		retryCredit: 5,
		pursuitCredit: 3,
		hands,
		clock,
		random: () => 0.5,
		log: { info: () => {}, warn: () => {} } as never,
		reconnect: { baseMs: 20, maxMs: 1_000 },
		onBacklog: (payments) => backlogs.push(payments),
		onJobs: note("jobs"),
		onLost: note("lost"),
		onStray: note("stray"),
		onConnected: (connected, bound) => heard.push(connected ? `connected ${bound}` : "cut"),
	});
	const controller = new AbortController();
	return { clock, cloud, hands, heard, backlogs, stream, controller };
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

test("pauses between tries grow, and a queue that stays away is not hammered", async () => {
	let tries = 0;
	const { clock, stream, controller } = setup((client) => ({
		...client,
		dequeueBatch: () => {
			tries++;
			throw new Error("away");
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

test("a renewal that gets no answer makes the stream connect anew", async () => {
	const { clock, cloud, stream, controller, hands } = setup((client) => ({
		...client,
		renew: () => Promise.reject(new Error("no answer")),
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
