import fc from "fast-check";
import { expect, test } from "vitest";
import { createFifo } from "../src/fifo.ts";

test("what goes in comes out in its order, however it is filled and emptied", () => {
	const step = fc.oneof(
		fc.record({ push: fc.integer({ min: 1, max: 40 }) }),
		fc.record({ shift: fc.integer({ min: 1, max: 40 }) }),
		fc.constant({ clear: true }),
	);
	fc.assert(
		fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
			const fifo = createFifo<number>();
			let model: number[] = [];
			let next = 0;
			for (const one of steps) {
				if ("push" in one)
					for (let i = 0; i < one.push; i++) {
						fifo.push(next);
						model.push(next++);
					}
				else if ("shift" in one) for (let i = 0; i < one.shift; i++) expect(fifo.shift()).toBe(model.shift());
				else {
					expect(fifo.clear()).toEqual(model);
					model = [];
				}
				expect([fifo.size, fifo.peek()]).toEqual([model.length, model[0]]);
			}
			expect(fifo.clear()).toEqual(model);
		}),
	);
});
