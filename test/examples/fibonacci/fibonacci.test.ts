// What the server reads out of any bytes, and what it remembers.
import fc from "fast-check";
import { expect, test } from "vitest";
import { BadRequest, fibonacci, nMax, readNumber } from "../../../examples/fibonacci/fibonacci.ts";
import { rememberAnswers } from "../../../examples/fibonacci/remembered.ts";

test("each number is the sum of the two before it", () => {
	for (let n = 2; n < 100; n++) expect(fibonacci(n)).toBe(fibonacci(n - 1) + fibonacci(n - 2));
	expect(String(fibonacci(nMax))).toHaveLength(2090);
});

test("whatever is sent is a number within bounds or a bad request", () => {
	const digits = fc.tuple(
		fc.constantFrom("", "-", "+", " ", "0x"),
		fc.bigInt({ min: 0n }),
		fc.constantFrom("", "\n", ".5", "e3"),
	);
	const texts = digits.map((parts) => Buffer.from(parts.join("")));
	fc.assert(
		fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), texts), (body) => {
			try {
				const n = readNumber(body);
				expect(Number.isInteger(n) && n >= 0 && n <= nMax).toBe(true);
			} catch (error) {
				expect(error).toBeInstanceOf(BadRequest);
			}
		}),
	);
});

test("what was asked is remembered up to a bound, and what failed is not", async () => {
	const remembered = rememberAnswers<number>(2);
	let made = 0;
	const ask = (key: string) => remembered.once(key, async () => ++made).answer;
	expect([await ask("a"), await ask("a"), await ask("b"), await ask("c"), await ask("a")]).toEqual([1, 1, 2, 3, 4]);
	await expect(remembered.once("d", () => Promise.reject(new Error("failed"))).answer).rejects.toThrow("failed");
	expect(await ask("d")).toBe(5);
});
