// What a million charges do to a summary, and many commits to the log: nothing that grows with them.
import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSqliteRows } from "../../../../src/cache/store/sqlite/rows.ts";
import * as life from "../../../../src/payment/life.ts";
import { report } from "../../../system/conditions.ts";
import { temporaryFolder } from "../media.ts";
import { idOf, startUs } from "../payments.ts";
import { change } from "../rows-contract.ts";

const nosync = { fdatasync: async () => {} };

/** Charges come by whole milliseconds, as pins do: at most these many buckets at one edge, at two edges, two processors. */
const visitedMax = 2 * 2 * (263 + 4 * 63) + 100;

test("a summary of a million charges reads no more rows than one of ten thousand, by a bound", {
	timeout: 120_000,
}, async () => {
	const rows = await openSqliteRows(temporaryFolder(), nosync);
	const visited: Record<number, number> = {};
	let booked = 0;
	for (const size of [10_000, 1_000_000]) {
		while (booked < size)
			await change(rows, () => {
				for (const end = booked + 10_000; booked < end; booked++) {
					// Ten a millisecond.
					const requestedAtUs = startUs + Math.floor(booked / 10) * 1_000;
					rows.book({ processor: booked % 3 === 0 ? "fallback" : "default", amountCents: 1_990n, requestedAtUs });
				}
			});
		const spanUs = (size / 10) * 1_000;
		const windows = Array.from({ length: 50 }, (_, i) => {
			const fromUs = startUs + Math.floor(spanUs * ((i * 0.618) % 0.5));
			return { fromUs, toUs: fromUs + Math.floor(spanUs * 0.499) + i };
		});
		visited[size] = Math.max(...[{}, ...windows].map((window) => rows.summary(window).rowsVisited));
		const { totals } = rows.summary({});
		expect(totals.default.count + totals.fallback.count).toBe(BigInt(size));
	}
	report(`rows visited by a summary: ${JSON.stringify(visited)}`);
	expect(visited[1_000_000]).toBeLessThanOrEqual(visitedMax);
	expect(visited[1_000_000]).toBeLessThanOrEqual(visited[10_000]! * 3);
	rows.close();
});

test("the log is written back as it grows, and what is in it is there afterwards", { timeout: 60_000 }, async () => {
	const folder = temporaryFolder();
	const rows = await openSqliteRows(folder, nosync);
	let longest = 0;
	const count = 600;
	for (let n = 0; n < count; n++) {
		await change(rows, () => {
			for (let i = 0; i < 50; i++) rows.insert(life.accept(idOf(n * 50 + i), 5n, startUs));
		});
		longest = Math.max(longest, statSync(join(folder, "payments.db-wal")).size);
	}
	report(`the log was ${(longest / 2 ** 20).toFixed(1)} MiB at its longest`);
	expect(longest).toBeLessThan(16 * 2 ** 20);
	expect(statSync(join(folder, "payments.db")).size).toBeGreaterThan(2 ** 20);
	expect(rows.open(0, Number.MAX_SAFE_INTEGER, count * 50 + 1)).toHaveLength(count * 50);
	rows.close();
});
