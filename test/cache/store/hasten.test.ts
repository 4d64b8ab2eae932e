// Which payments in doubt are brought forward when their processor charges again, where there are more than the bound.
import { expect, test } from "vitest";
import { createEngine } from "../../../src/cache/store/engine.ts";
import { createMemoryRows } from "../../../src/cache/store/memory-rows.ts";
import * as life from "../../../src/payment/life.ts";
import type { Processor } from "../../../src/payment/payment.ts";
import { createFakeClock } from "../../fake-clock.ts";
import { storeSettings } from "./store-settings.ts";

/** As the engine has it. */
const hastenMax = 1_024;
const spreadMs = 1_000;

function setup() {
	const clock = createFakeClock();
	const rows = createMemoryRows();
	let ids = 0;
	const add = (count: number, processor: Processor, state: "in_doubt" | "parked", dueInMs: number) => {
		for (let i = 0; i < count; i++) {
			const id = `00000000-0000-4000-8000-${String(++ids).padStart(12, "0")}`;
			const payment = life.acceptInDoubt(id, 5n, processor, clock.now());
			rows.insert({ ...payment, state, dueAtMs: clock.now() + dueInMs });
			rows.marks[state === "parked" ? "parked" : "inDoubt"]++;
		}
	};
	const dueAt = () => rows.inDoubt("default", 10_000).map(({ payment }) => payment.dueAtMs! - clock.now());
	function recover(): void {
		const engine = createEngine(rows, storeSettings, clock, () => 0.5);
		for (const failing of [true, false])
			engine.saveHealth({ processor: "default", reachable: true, failing, minResponseMs: 0, atUs: 1 });
	}
	return { add, dueAt, recover };
}

test("those whose pauses have grown are asked for soon, however many others are due before them", () => {
	const { add, dueAt, recover } = setup();
	add(hastenMax + 100, "fallback", "in_doubt", 500);
	add(hastenMax + 100, "default", "parked", 400);
	add(hastenMax + 100, "default", "parked", 300_000);
	add(50, "default", "in_doubt", 60_000);
	recover();
	const due = dueAt();
	expect(due).toHaveLength(50);
	expect(Math.max(...due)).toBeLessThanOrEqual(spreadMs);
});

test("of more than can be brought forward at once those come first that would have waited the longest", () => {
	const { add, dueAt, recover } = setup();
	add(hastenMax, "default", "in_doubt", 5_000);
	add(hastenMax, "default", "in_doubt", 60_000);
	recover();
	const due = dueAt();
	expect(due.filter((ms) => ms <= spreadMs)).toHaveLength(hastenMax);
	expect(due.filter((ms) => ms === 5_000)).toHaveLength(hastenMax);
});
