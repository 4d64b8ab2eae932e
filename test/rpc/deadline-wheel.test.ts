// The wheel against a plain list of deadlines, in simulated time: never early, at most two ticks late, and no timer is left.
import fc from "fast-check";
import { expect, test } from "vitest";
import { createDeadlineWheel, type DeadlineWheel, type Timed } from "../../src/rpc/deadline-wheel.ts";
import { createFakeClock } from "../fake-clock.ts";

const tickMs = 10;
/** More than one round of the wheel. */
const farMs = 3_000;

interface Item extends Timed {
	readonly name: number;
}

const newItem = (name: number): Item => ({ dueTick: 0, before: undefined, after: undefined, name });

type Step =
	| { readonly does: "add" | "remove"; readonly name: number; readonly ms: number }
	| { readonly does: "advance"; readonly name: number; readonly ms: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
	fc.record({
		does: fc.constantFrom("add", "add", "add", "remove", "advance", "advance"),
		name: fc.nat(15),
		ms: fc.oneof(fc.nat(60), fc.nat(farMs), fc.double({ min: 0.01, max: 100, noNaN: true })),
	}),
	{ maxLength: 120 },
);

/** What each item that falls due does to the item of that number: nothing, remove it, or time it anew. */
const reactions = fc.array(
	fc.record({ does: fc.constantFrom("nothing", "nothing", "remove", "again"), name: fc.nat(15), ms: fc.nat(farMs) }),
	{ minLength: 16, maxLength: 16 },
);

test("what is due is told once, never early, at most two ticks late, whatever it does to the others", async () => {
	await fc.assert(
		fc.asyncProperty(steps, reactions, async (sequence, reacts) => {
			const clock = createFakeClock();
			const items = Array.from({ length: 16 }, (_, name) => newItem(name));
			/** The model: when each item that is in falls due. */
			const dueMs = new Map<number, number>();
			const put = (name: number, ms: number): void => {
				if (dueMs.has(name)) take(name);
				wheel.add(items[name]!, ms);
				dueMs.set(name, clock.monotonic() + ms);
			};
			const take = (name: number): void => {
				wheel.remove(items[name]!);
				dueMs.delete(name);
			};
			const onDue = ({ name }: Item): void => {
				const due = dueMs.get(name);
				if (due === undefined) throw new Error(`${name} was told, but is not in`);
				// Sums of fractions are not exact.
				if (clock.monotonic() < due - 1e-6) throw new Error(`${name} was told at ${clock.monotonic()}, due at ${due}`);
				dueMs.delete(name);
				const react = reacts[name]!;
				if (react.does === "remove") take(react.name);
				else if (react.does === "again") put(react.name, react.ms);
			};
			const faults: unknown[] = [];
			const wheel: DeadlineWheel<Item> = createDeadlineWheel(clock, tickMs, (item: Item) => {
				try {
					onDue(item);
				} catch (fault) {
					faults.push(fault);
				}
			});
			for (const { does, name, ms } of sequence) {
				if (does === "add") put(name, ms);
				else if (does === "remove") take(name);
				else await clock.advance(ms);
				expect(faults).toEqual([]);
				for (const due of dueMs.values()) expect(due).toBeGreaterThanOrEqual(clock.monotonic() - 2 * tickMs - 1e-6);
				expect(clock.pending()).toBeLessThanOrEqual(1);
				if (dueMs.size > 0) expect(clock.pending()).toBe(1);
			}
			for (const name of items.keys()) take(name);
			await clock.advance(2 * farMs);
			expect(clock.pending()).toBe(0);
			for (const { before, after } of items) expect([before, after]).toEqual([undefined, undefined]);
		}),
		{ numRuns: 200 },
	);
});

/** One wheel whose items note themselves, with what an item does beside. */
function lab(onDue: (item: Item) => void = () => {}) {
	const clock = createFakeClock();
	const told: [number, number][] = [];
	const wheel = createDeadlineWheel(clock, tickMs, (item: Item) => {
		told.push([item.name, clock.monotonic()]);
		onDue(item);
	});
	return { clock, told, wheel };
}

test("a deadline of no time at all does not wait for a round of the wheel", async () => {
	const { clock, told, wheel } = lab();
	wheel.add(newItem(1), 0);
	await clock.advance(100);
	wheel.add(newItem(2), 100);
	await clock.advance(50);
	wheel.add(newItem(3), 0);
	wheel.add(newItem(4), -25);
	await clock.advance(2 * tickMs);
	expect(told.map(([name]) => name).sort()).toEqual([1, 3, 4]);
});

test("an item that is removed and timed anew by another that is due in the same tick waits for its new deadline", async () => {
	const second = newItem(2);
	const { clock, told, wheel } = lab(({ name }) => {
		if (name !== 1) return;
		wheel.remove(second);
		wheel.add(second, 500);
	});
	wheel.add(newItem(1), 50);
	wheel.add(second, 50);
	await clock.advance(1_000);
	expect(told).toEqual([
		[1, 50],
		[2, 550],
	]);
});

test("after a long stillness everything that fell due meanwhile is told, and nothing else", () => {
	let nowMs = 3;
	const tasks: (() => void)[] = [];
	const after = (_: number, task: () => void): (() => void) => {
		tasks.push(task);
		return () => {};
	};
	const still = { ...createFakeClock(), monotonic: () => nowMs, after };
	const told: number[] = [];
	const wheel = createDeadlineWheel(still, tickMs, ({ name }: Item) => told.push(name));
	for (let i = 0; i < 1_000; i++) wheel.add(newItem(i), i * 7 + 1);
	// The timer fires without time having passed.
	tasks.shift()!();
	expect(told).toEqual([]);
	nowMs = 5_000;
	tasks.shift()!();
	expect(told.sort((a, b) => a - b)).toEqual(Array.from({ length: 714 }, (_, i) => i));
	expect(tasks).toHaveLength(1);
	nowMs = 1e9;
	tasks.shift()!();
	expect(told).toHaveLength(1_000);
	expect(tasks).toEqual([]);
});

test("removing twice, and what was never in, changes nothing; a stopped wheel starts again", async () => {
	const { clock, told, wheel } = lab();
	const [first, second] = [newItem(1), newItem(2)];
	wheel.remove(first);
	wheel.add(first, 30);
	wheel.add(second, 60);
	wheel.remove(first);
	wheel.remove(first);
	await clock.advance(100);
	expect(told).toEqual([[2, 60]]);
	wheel.add(second, 60);
	wheel.remove(second);
	wheel.stop();
	expect(clock.pending()).toBe(0);
	wheel.add(first, 30);
	await clock.advance(100);
	expect(told).toEqual([
		[2, 60],
		[1, 130],
	]);
	expect(clock.pending()).toBe(0);
});
