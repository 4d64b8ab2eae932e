// Answers that are remembered: the same one for a request that comes again, within bounds whatever comes.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Answer, createAnswers } from "../../../src/rpc/amqp/answers.ts";
import { amqpRpcBounds } from "../../../src/rpc/amqp/bounds.ts";

const bounds = { ...amqpRpcBounds, answersMax: 8, answersMaxBytes: 1000 };
const answer = (bytes: number, status = 200): Answer => ({
	status,
	header: new Headers(),
	trailer: new Headers(),
	body: new Uint8Array(bytes),
});

describe("remembered answers", () => {
	test("a request that comes again while it is served, or after, has the same answer", async () => {
		const answers = createAnswers(bounds);
		const given = Promise.withResolvers<Answer>();
		answers.remember("a", given.promise);
		expect(answers.recall("a")).toBe(given.promise);
		given.resolve(answer(1));
		await given.promise;
		expect(answers.recall("a")).toBe(given.promise);
	});

	test("one that failed may be asked again", async () => {
		const answers = createAnswers(bounds);
		const failed = Promise.resolve(answer(1, 503));
		answers.remember("refused", failed);
		await failed;
		expect(answers.recall("refused")).toBeUndefined();
		const broken = Promise.reject(new Error("broken"));
		answers.remember("broken", broken);
		await broken.catch(() => {});
		expect(answers.recall("broken")).toBeUndefined();
	});

	test("one that is still served is known however many were served meanwhile", async () => {
		const answers = createAnswers(bounds);
		const slow = Promise.withResolvers<Answer>();
		answers.remember("slow", slow.promise);
		for (let n = 0; n < 100; n++) {
			const quick = Promise.resolve(answer(1));
			answers.remember(`quick ${n}`, quick);
			await quick;
		}
		expect(answers.recall("slow")).toBe(slow.promise);
		expect(answers.recall("quick 0")).toBeUndefined();
		expect(answers.recall("quick 99")).toBeDefined();
	});

	test("they are within their bounds, and the newest are the ones that are kept", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(fc.record({ key: fc.nat({ max: 30 }).map(String), bytes: fc.nat({ max: 400 }) }), { maxLength: 60 }),
				async (given) => {
					const answers = createAnswers(bounds);
					const kept = new Map<string, number>();
					for (const { key, bytes } of given) {
						if (answers.recall(key)) continue;
						const now = Promise.resolve(answer(bytes));
						answers.remember(key, now);
						await now;
						kept.delete(key);
						kept.set(key, bytes + key.length);
						const known = [...kept].filter(([key]) => answers.recall(key));
						expect(known.length).toBeLessThanOrEqual(bounds.answersMax);
						expect(known.reduce((sum, [, size]) => sum + size, 0)).toBeLessThanOrEqual(bounds.answersMaxBytes);
						expect(known).toEqual([...kept].slice(kept.size - known.length));
					}
				},
			),
		);
	});
});
