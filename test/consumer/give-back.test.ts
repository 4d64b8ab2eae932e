import { expect, test } from "vitest";
import { createGiveBack } from "../../src/consumer/give-back.ts";
import { createHands } from "../../src/consumer/hands.ts";
import { NoAnswer } from "../../src/consumer/ports.ts";
import { createFakeClock } from "../fake-clock.ts";
import { makeJob, stubQueue } from "./harness.ts";

function setup() {
	const clock = createFakeClock();
	const queue = stubQueue();
	const hands = createHands(clock);
	const errors: unknown[] = [];
	const giveBack = createGiveBack({
		queue: queue.queue,
		hands,
		clock,
		random: () => 0.5,
		pause: { baseMs: 20, maxMs: 1_000 },
		eachMaxMs: 10_000,
		onError: (error) => errors.push(error),
	});
	const hand = hands.take(makeJob(1), 60_000);
	return { clock, queue, hands, errors, giveBack, hand };
}

const away = async (): Promise<never> => {
	throw new NoAnswer("no answer");
};

test("a job stays in hand until the queue has taken it back, however often it has to be asked", async () => {
	const { clock, queue, hands, errors, giveBack, hand } = setup();
	queue.releaseAs = away;
	giveBack.add(hand);
	await clock.advance(1_000);
	expect(queue.calls.length).toBeGreaterThan(1);
	expect(hands.has(hand)).toBe(true);
	queue.releaseAs = async () => "released";
	await clock.advance(1_000);
	await giveBack.ended();
	expect(hands.has(hand)).toBe(false);
	expect(errors).toEqual([]);
	expect(clock.pending()).toBe(0);
});

test("a job that the queue never takes back is held no longer than its time", async () => {
	const { clock, queue, hands, giveBack, hand } = setup();
	queue.releaseAs = away;
	giveBack.add(hand);
	await clock.advance(9_999);
	expect(hands.has(hand)).toBe(true);
	await clock.advance(1);
	await giveBack.ended();
	expect(hands.has(hand)).toBe(false);
	expect(clock.pending()).toBe(0);
});

test("out of time, what is under way ends, and what is still added is asked for once", async () => {
	const { clock, queue, hands, giveBack, hand } = setup();
	queue.releaseAs = away;
	giveBack.add(hand);
	await clock.advance(100);
	giveBack.cut();
	await giveBack.ended();
	expect(hands.has(hand)).toBe(false);
	const before = queue.calls.length;
	giveBack.add(hands.take(makeJob(2), 60_000));
	await giveBack.ended();
	expect(queue.calls.slice(before)).toEqual(["release 2 unasked"]);
	expect(hands.size).toBe(0);
	expect(clock.pending()).toBe(0);
});

test("a refusal that no repeat would change is told of, and the job is dropped", async () => {
	const { clock, queue, hands, errors, giveBack, hand } = setup();
	const mistake = new Error("cannot be encoded");
	queue.releaseAs = () => Promise.reject(mistake);
	giveBack.add(hand);
	await giveBack.ended();
	expect(errors).toEqual([mistake]);
	expect(hands.size).toBe(0);
	expect(clock.pending()).toBe(0);
});
