// A stream of batches: nothing waits for another's answer, a slow reader is not run over, and every end is clean.
import { expect, test } from "vitest";
import { serveBatches } from "../../src/cache/batches.ts";
import { follow, requests } from "./cache-lab.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A handler whose answers come when the test says so. */
function byHand() {
	const waiting = new Map<number, { resolve: (answer: string) => void; reject: (cause: unknown) => void }>();
	const handle = (request: number) =>
		new Promise<string>((resolve, reject) => void waiting.set(request, { resolve, reject }));
	return { waiting, handle, answer: (request: number) => waiting.get(request)!.resolve(`answer ${request}`) };
}

function numbers(count: number) {
	const sent = requests<number>();
	for (let i = 1; i <= count; i++) sent.send(i);
	return sent;
}

test("a batch that takes long holds up none behind it", async () => {
	const hand = byHand();
	const answers = follow(serveBatches(numbers(3), hand.handle, new AbortController().signal));
	await turn();
	hand.answer(3);
	hand.answer(2);
	await turn();
	expect(answers.items).toEqual(["answer 3", "answer 2"]);
});

test("when the requests end, what is under way is still answered", async () => {
	const hand = byHand();
	const sent = numbers(1);
	const answers = follow(serveBatches(sent, hand.handle, new AbortController().signal));
	sent.end();
	await turn();
	expect(answers.end).toBeUndefined();
	hand.answer(1);
	await turn();
	expect(answers).toEqual({ items: ["answer 1"], end: "done" });
});

test("a caller that does not read its answers is not read from beyond a bound", async () => {
	const taken: number[] = [];
	const handle = async (request: number) => taken.push(request);
	const stream = serveBatches(numbers(1000), handle, new AbortController().signal);
	await stream.next();
	for (let i = 0; i < 1000; i++) await turn();
	expect(taken.length).toBeLessThanOrEqual(64);
});

test("no more than a bounded number of batches is under way", async () => {
	const hand = byHand();
	follow(serveBatches(numbers(1000), hand.handle, new AbortController().signal));
	for (let i = 0; i < 10; i++) await turn();
	expect(hand.waiting.size).toBe(64);
});

test("a failure ends the stream with its error", async () => {
	const hand = byHand();
	const answers = follow(serveBatches(numbers(2), hand.handle, new AbortController().signal));
	await turn();
	const error = new Error("the store has failed");
	hand.waiting.get(2)!.reject(error);
	await turn();
	expect(answers.end).toBe(error);
});

test("requests that break off end the stream with their error", async () => {
	const error = new Error("reset");
	async function* broken(): AsyncGenerator<number> {
		yield 1;
		throw error;
	}
	const answers = follow(serveBatches(broken(), async (request) => request, new AbortController().signal));
	await turn();
	expect(answers).toEqual({ items: [1], end: error });
});

test("closing answers what is under way, takes nothing new, and ends with its reason", async () => {
	const hand = byHand();
	const closing = new AbortController();
	const sent = numbers(1);
	const answers = follow(serveBatches(sent, hand.handle, closing.signal));
	await turn();
	const reason = new Error("closing");
	closing.abort(reason);
	sent.send(2);
	await turn();
	hand.answer(1);
	await turn();
	expect(answers).toEqual({ items: ["answer 1"], end: reason });
	expect(hand.waiting.size).toBe(1);
});
