// A folder with a long past holds what it is said to hold, for a store as for the bench.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { prefill, prefilledBooks, prefilledSpan } from "../../src/bench/prefill.ts";
import { createStore } from "../../src/cache/store/group-commit.ts";
import { openSqliteRows } from "../../src/cache/store/sqlite/rows.ts";
import type { Store } from "../../src/cache/store/store.ts";
import { systemClock } from "../../src/clock.ts";
import { storeSettings } from "../cache/store/store-settings.ts";

const quiet = () => {};
const past = { seed: 7, settled: 300, waiting: 20 };

function temporaryFolder(): string {
	const folder = mkdtempSync(join(tmpdir(), "payrelay-prefill-"));
	onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
	return folder;
}

async function withStore(folder: string, look: (store: Store) => Promise<void>): Promise<void> {
	const store = createStore(await openSqliteRows(folder), storeSettings, { clock: systemClock });
	try {
		await look(store);
	} finally {
		await store.close();
	}
}

test("a store finds the payments settled and waiting, and the books that are expected of any window", async () => {
	const folder = temporaryFolder();
	await prefill(folder, past, quiet);
	await withStore(folder, async (store) => {
		expect(await store.figures()).toMatchObject({ accepted: 320, settled: 300, waiting: 20, leased: 0, inDoubt: 0 });
		const { fromMs, toMs } = prefilledSpan(past);
		for (const [from, to] of [
			[fromMs, toMs],
			[fromMs + 1, toMs - 1],
			[fromMs - 5_000, fromMs + 122],
			[fromMs + 10, fromMs + 10],
			[toMs + 1, toMs + 5_000],
		] as const) {
			const { totals } = await store.summary({ fromUs: from * 1000, toUs: to * 1000 });
			const expected = prefilledBooks(past, from, to);
			for (const one of ["default", "fallback"] as const)
				expect([Number(totals[one].count), totals[one].amountCents]).toEqual([
					expected[one].count,
					expected[one].cents,
				]);
		}
		const jobs = await store.lease("a", "fresh", 100);
		expect(jobs).toHaveLength(20);
		expect((await store.payment(jobs[0]!.id))?.state).toBe("accepted");
	});
});

test("a prepared folder is taken as it is, and brought to more; what it has too much of is refused", async () => {
	const folder = temporaryFolder();
	const told: string[] = [];
	const tell = (text: string) => void told.push(text);
	await prefill(folder, { ...past, waiting: 0 }, tell);
	await prefill(folder, { ...past, waiting: 0 }, tell);
	await prefill(folder, { ...past, settled: 400, waiting: 0 }, tell);
	await prefill(folder, { ...past, settled: 400 }, tell);
	expect(told).toHaveLength(3);
	await withStore(folder, async (store) => {
		expect(await store.figures()).toMatchObject({ settled: 400, waiting: 20 });
	});
	await expect(prefill(folder, past, tell)).rejects.toThrow(/take another folder/);
	await expect(prefill(folder, { ...past, settled: 500 }, tell)).rejects.toThrow(/payments waiting/);
	await expect(prefill(folder, { seed: 8, settled: 400, waiting: 20 }, tell)).rejects.toThrow(/take another folder/);
});

test("a folder in which a relay has worked is not filled", async () => {
	const folder = temporaryFolder();
	await withStore(folder, async (store) => {
		await store.enqueue([{ id: "5f4b9c3e-0d3a-4a62-8f0e-6f1f1d2a7c10", amountCents: 5n }]);
	});
	await expect(prefill(folder, past, quiet)).rejects.toThrow(/a relay's/);
});
