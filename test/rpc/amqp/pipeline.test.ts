// How requests flow through a receiver: gathered by size and by time, each dealt with once, and drained to the last.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createPipeline } from "../../../src/rpc/amqp/pipeline.ts";
import { createFakeClock } from "../../fake-clock.ts";

interface Item {
	readonly method: "gathered" | "alone";
	readonly id: number;
}

const rule = { sizeMax: 4, waitMs: 10 };

function lab() {
	const clock = createFakeClock();
	/** Those that began in one turn. */
	const turns: number[][] = [];
	let turn: number[] | undefined;
	const ends = new Map<number, () => void>();
	const pipeline = createPipeline<Item>({
		rules: { gathered: rule },
		batchOf: ({ method }) => method,
		process({ id }) {
			if (turn === undefined) {
				turn = [];
				turns.push(turn);
				queueMicrotask(() => {
					turn = undefined;
				});
			}
			turn.push(id);
			return new Promise((resolve) => ends.set(id, resolve));
		},
		after: clock.after,
	});
	return { clock, turns, ends, pipeline };
}

describe("a pipeline", () => {
	test("begins a batch when it is full, or when its first request has waited long enough", async () => {
		const { clock, turns, pipeline } = lab();
		for (let id = 0; id < 4; id++) pipeline.push({ method: "gathered", id });
		await clock.settle();
		expect(turns).toEqual([[0, 1, 2, 3]]);
		pipeline.push({ method: "gathered", id: 4 });
		await clock.advance(rule.waitMs - 1);
		pipeline.push({ method: "gathered", id: 5 });
		expect(turns).toHaveLength(1);
		await clock.advance(1);
		expect(turns).toEqual([
			[0, 1, 2, 3],
			[4, 5],
		]);
		expect(clock.pending()).toBe(0);
	});

	test("does not let a request wait whose method has no rule", async () => {
		const { turns, pipeline } = lab();
		pipeline.push({ method: "alone", id: 1 });
		expect(turns).toEqual([[1]]);
	});

	test("that drains begins what waits, and is done when the last has ended", async () => {
		const { clock, turns, ends, pipeline } = lab();
		pipeline.push({ method: "gathered", id: 1 });
		let drained = false;
		const draining = pipeline.drain().then(() => {
			drained = true;
		});
		const another = pipeline.drain();
		pipeline.push({ method: "gathered", id: 2 });
		expect(turns.flat()).toEqual([1, 2]);
		ends.get(1)!();
		await clock.settle();
		expect(drained).toBe(false);
		ends.get(2)!();
		await Promise.all([draining, another]);
		expect(clock.pending()).toBe(0);
	});

	test("begins each request once, in batches no larger than they may be, none later than it may", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(fc.record({ pauseMs: fc.nat({ max: 15 }), alone: fc.boolean() }), { maxLength: 40 }),
				async (arrivals) => {
					const { clock, turns, pipeline } = lab();
					const arrivedMs: number[] = [];
					for (const [id, { pauseMs, alone }] of arrivals.entries()) {
						await clock.advance(pauseMs);
						arrivedMs.push(clock.monotonic());
						pipeline.push({ method: alone ? "alone" : "gathered", id });
						const begun = new Set(turns.flat());
						for (const [earlier, atMs] of arrivedMs.entries())
							if (clock.monotonic() - atMs > rule.waitMs) expect(begun).toContain(earlier);
					}
					await clock.advance(rule.waitMs);
					const begun = turns.flat().toSorted((a, b) => a - b);
					expect(begun).toEqual(arrivals.map((_, id) => id));
					for (const turn of turns) {
						const gathered = turn.filter((id) => !arrivals[id]!.alone);
						expect(gathered.length).toBeLessThanOrEqual(rule.sizeMax);
					}
					expect(clock.pending()).toBe(0);
				},
			),
		);
	});
});
