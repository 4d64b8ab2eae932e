// How much of what should die young grows old, and what an entry costs, for a few ways to hold 32 entries that come and go.
//
// node --single-threaded --no-turbofan --max-semi-space-size=4 bench/churn.ts
import { getHeapSpaceStatistics } from "node:v8";
import { ChurnMap } from "../src/churn.ts";

const liveMax = 32;
const entries = 60_000;
const idleCollections = 8;

interface Holder {
	put(key: number, value: object): void;
	remove(key: number): void;
}

interface Task {
	end: () => void;
}

const ways: Readonly<Record<string, () => Holder>> = {
	Map: () => holderOf(new Map<number, object>()),
	ChurnMap: () => holderOf(new ChurnMap<number, object>()),
	"ChurnMap, with a function literal assigned to a property": () =>
		assigning((task, value) => {
			task.end = () => void value;
		}),
	"ChurnMap, with a function assigned by its name": () =>
		assigning((task, value) => {
			const end = (): void => void value;
			task.end = end;
		}),
};

function holderOf(map: { set(key: number, value: object): unknown; delete(key: number): boolean }): Holder {
	return { put: (key, value) => void map.set(key, value), remove: (key) => void map.delete(key) };
}

function assigning(assign: (task: Task, value: object) => void): Holder {
	const { put, remove } = holderOf(new ChurnMap());
	return {
		put(key, value) {
			const task: Task = { end: () => {} };
			assign(task, value);
			put(key, task);
		},
		remove,
	};
}

function oldBytes(): number {
	return getHeapSpaceStatistics().find(({ space_name }) => space_name === "old_space")!.space_used_size;
}

/** As in a service that waits for its first payment: what it holds already grows old. */
function idle(): void {
	for (let i = 0; i < idleCollections * 100_000; i++) kept = { i };
}

/** Holds what is made last, so that making it is not left out. */
let kept: unknown;

for (const [name, create] of Object.entries(ways)) {
	const { put, remove } = create();
	for (let key = -liveMax; key < 0; key++) put(key, {});
	idle();
	const beforeBytes = oldBytes();
	const startMs = performance.now();
	for (let key = 0; key < entries; key++) {
		put(key, { key, payload: [key, key, key, key] });
		remove(key - liveMax);
	}
	const us = ((performance.now() - startMs) * 1000) / entries;
	const bytes = (oldBytes() - beforeBytes) / entries;
	process.stdout.write(`${name}: ${bytes.toFixed(0)} bytes an entry grow old, ${us.toFixed(2)} us\n`);
}
process.exitCode = kept === undefined ? 1 : 0;
