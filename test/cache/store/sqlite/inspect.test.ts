// What a start looks for: a single value that is not what was written, wherever it is, and commits that are not there.
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { openSqliteRows } from "../../../../src/cache/store/sqlite/rows.ts";
import * as life from "../../../../src/payment/life.ts";
import { Refusal } from "../../../../src/refusal.ts";
import { copyStore, temporaryFolder } from "../media.ts";
import { doubt, idOf, startUs } from "../payments.ts";
import { change } from "../rows-contract.ts";

const nosync = { fdatasync: async () => {} };
const startMs = startUs / 1000;

/** One payment that waits, one in doubt, a charge in the ledger, and two events. */
async function storeIn(folder: string): Promise<void> {
	const rows = await openSqliteRows(folder, nosync);
	await change(rows, () => {
		rows.insert(life.accept(idOf(1), 100n, startUs));
		const pinned = life.pin(life.accept(idOf(2), 200n, startUs), "default", 7, startMs)!;
		rows.insert(life.release(pinned, 7, "unknown", { nowMs: startMs, random: 0.5 }, doubt));
		rows.book({ processor: "fallback", amountCents: 300n, requestedAtUs: startUs });
		for (const seq of [1, 2]) rows.announce({ seq, type: "payment.accepted", paymentId: idOf(seq), timeUs: startUs });
		Object.assign(rows.marks, { open: 1, inDoubt: 1, accepted: 2, attempts: 1, eventSeq: 2 });
	});
	rows.close();
}

function alter(folder: string, sql: string): void {
	const db = new DatabaseSync(join(folder, "payments.db"));
	db.exec(sql);
	db.close();
}

test.each([
	["a mark", "UPDATE marks SET accepted = accepted + 1", /its marks do not add up/],
	["a mark of what is worked off", "UPDATE marks SET leased_up_to = 2", /its marks do not add up/],
	["the count of starts", "UPDATE marks SET boot = boot - 1", /its marks do not add up/],
	["an amount", "UPDATE payment SET amount_cents = 101 WHERE seq = 1", /payment 1 is not what was written/],
	["a state", "UPDATE payment SET state = 0 WHERE seq = 2", /payment 2 is not what was written/],
	["a log of attempts", "UPDATE payment SET more = replace(more, 'unknown', 'charged')", /payment 2 is not/],
	["a total", "UPDATE total SET cents_low = cents_low + 1 WHERE level = 0", /totals do not add up/],
	["a count", "UPDATE total SET count = count + 1 WHERE level = 2", /totals do not add up/],
	["a level of totals", "DELETE FROM total WHERE level = 3", /totals do not add up/],
	["an event", "UPDATE outbox SET time_us = time_us + 1 WHERE seq = 1", /its outbox is not what was written/],
	[
		"an event's payment",
		"UPDATE outbox SET payment = CAST(payment || x'00' AS BLOB) WHERE seq = 2",
		/its outbox is not/,
	],
	["the first event", "DELETE FROM outbox WHERE seq = 1", /its outbox is not what was written/],
	["the last event", "DELETE FROM outbox WHERE seq = 2", /its outbox is not what was written/],
	["the last commit", "UPDATE marks SET commits = commits - 1", /its marks do not add up/],
])("a start is refused where %s is not what was written", async (_, sql, words) => {
	const folder = temporaryFolder();
	await storeIn(folder);
	(await openSqliteRows(folder, nosync)).close();
	alter(folder, sql);
	const opened = openSqliteRows(folder, nosync);
	await expect(opened).rejects.toThrow(words);
	await expect(opened).rejects.toThrow(Refusal);
	await expect(openSqliteRows(folder, nosync), "the folder is not held for that").rejects.toThrow(words);
});

test.each([
	["payments.db"],
	["payments.db", "high-water"],
	["payments.db", "payments.db-wal"],
])("a start is refused where %s is gone and something else of the store is there", async (...gone) => {
	const [folder, left] = [temporaryFolder(), temporaryFolder()];
	const rows = await openSqliteRows(folder, nosync);
	await change(rows, () => rows.insert(life.accept(idOf(1), 100n, startUs)));
	copyStore(folder, left);
	rows.close();
	for (const name of gone) rmSync(join(left, name));
	await expect(openSqliteRows(left, nosync)).rejects.toThrow(/is missing or empty, but it was in use/);
});

test("a start is refused where a single commit that was promised is not there", async () => {
	const [folder, left] = [temporaryFolder(), temporaryFolder()];
	const rows = await openSqliteRows(folder, nosync);
	await change(rows, () => rows.insert(life.accept(idOf(1), 100n, startUs)));
	copyStore(folder, left);
	await change(rows, () => rows.insert(life.accept(idOf(2), 200n, startUs)));
	copyFileSync(join(folder, "high-water"), join(left, "high-water"));
	rows.close();
	await expect(openSqliteRows(left, nosync)).rejects.toThrow("it ends at 1, but 2 were promised");
});

test("a start is refused where the two halves of the mark of what is promised differ", async () => {
	const folder = temporaryFolder();
	await storeIn(folder);
	writeFileSync(join(folder, "high-water"), `${"1".padStart(15, "0")} ${"3".padStart(15, "0")}\n`);
	await expect(openSqliteRows(folder, nosync)).rejects.toThrow(/high-water is damaged/);
});
