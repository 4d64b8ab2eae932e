import fc from "fast-check";
import { expect, test } from "vitest";
import { ChurnMap, ChurnSet } from "../src/churn.ts";

const steps = fc.array(fc.record({ does: fc.constantFrom("set", "set", "delete", "clear"), key: fc.nat() }), {
	minLength: 500,
	maxLength: 3_000,
});

test("a ChurnMap holds what a Map holds, in its order, however often it begins anew", () => {
	fc.assert(
		fc.property(steps, fc.constantFrom(1, 40, 600), (sequence, keys) => {
			const map = new Map<number, number>();
			const churned = new ChurnMap<number, number>();
			sequence.forEach(({ does, key: any }, i) => {
				const key = any % keys;
				// Most clear nothing: a cleared map has nothing to carry over for long.
				if (does === "clear" && i % 500 === 0) {
					map.clear();
					churned.clear();
				} else if (does === "delete") expect(churned.delete(key)).toBe(map.delete(key));
				else {
					map.set(key, i);
					churned.set(key, i);
				}
				expect(churned.size).toBe(map.size);
				expect(churned.get(key)).toBe(map.get(key));
				expect(churned.has(key)).toBe(map.has(key));
			});
			expect([...churned]).toEqual([...map]);
			expect([...churned.keys()]).toEqual([...map.keys()]);
			expect([...churned.values()]).toEqual([...map.values()]);
		}),
		{ numRuns: 50 },
	);
});

test("while it is iterated over, what is deleted is not met", () => {
	const churned = new ChurnSet<number>();
	for (let i = 0; i < 1_000; i++) churned.add(i);
	const met: number[] = [];
	for (const i of churned) {
		met.push(i);
		churned.delete(i + 1);
	}
	expect(met).toEqual(Array.from({ length: 500 }, (_, i) => i * 2));
	expect(churned.size).toBe(500);
	expect(churned.has(1)).toBe(false);
	churned.clear();
	expect([...churned]).toEqual([]);
});

test("it begins anew: an iterator that was under way goes on over what was there", () => {
	const churned = new ChurnSet<number>();
	for (let i = 0; i < 1_000; i++) {
		churned.add(i);
		churned.delete(i);
	}
	churned.add(-1);
	const before = churned[Symbol.iterator]();
	for (let i = 0; i < 1_000; i++) {
		churned.add(i);
		churned.delete(i);
	}
	churned.delete(-1);
	expect(before.next()).toEqual({ done: false, value: -1 });
	expect([...churned]).toEqual([]);
});
