// How SQLite finds payments: where tens of thousands wait at one processor, nothing reads past them to others.
import { join } from "node:path";
import { DatabaseSync, StatementSync } from "node:sqlite";
import { expect, test, vi } from "vitest";
import type { Rows } from "../../../../src/cache/store/rows.ts";
import { openSqliteRows } from "../../../../src/cache/store/sqlite/rows.ts";
import { temporaryFolder } from "../media.ts";
import { startUs } from "../payments.ts";

const nosync = { fdatasync: async () => {} };

/** What SQLite says that it does for these statements. */
function plansOf(folder: string, statements: readonly string[]): string[] {
	const db = new DatabaseSync(join(folder, "payments.db"));
	const plans = statements.flatMap((sql) => db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all());
	db.close();
	return plans.map(({ detail }) => String(detail));
}

const search = (conditions: string) => `SEARCH payment USING INDEX ${conditions}`;
/** For each row that is found, the one of the same id is looked for. */
const named = [
	expect.stringContaining("CORRELATED SCALAR SUBQUERY"),
	"SEARCH named USING COVERING INDEX sqlite_autoindex_payment_1 (id=?)",
];
const found = (conditions: string) => [search(conditions), ...named];
/** Of two searches, each in order, no more is read than is asked for. */
const merged = (conditions: string) => ["MERGE (UNION ALL)", "LEFT", search(conditions), "RIGHT", search(conditions)];

test.each<readonly [string, (rows: Rows) => unknown, readonly string[]]>([
	[
		"what is due at a processor",
		(rows) => rows.due("fallback", startUs / 1000, 9),
		merged("payment_aside (state=? AND processor=? AND due_at_ms<?)"),
	],
	[
		"what is due last at a processor",
		(rows) => rows.dueLast("fallback", 9),
		merged("payment_aside (state=? AND processor=? AND due_at_ms>?)"),
	],
	[
		"what is in doubt at a processor",
		(rows) => rows.inDoubt("fallback", 9),
		found("payment_aside (state=? AND processor=?)"),
	],
	["a page of the parked", (rows) => rows.parked(7, 9), found("payment_parked (state=? AND rowid>?)")],
])("%s is found by an index, condition by condition, in the order wanted", async (_, ask, plan) => {
	const folder = temporaryFolder();
	const rows = await openSqliteRows(folder, nosync);
	const all = vi.spyOn(StatementSync.prototype, "all");
	ask(rows);
	const asked = all.mock.contexts.map((statement) => (statement as StatementSync).sourceSQL);
	all.mockRestore();
	rows.close();
	expect(plansOf(folder, asked)).toEqual(plan);
});

test("no statement reads all the payments, or sorts any", async () => {
	const folder = temporaryFolder();
	const prepare = vi.spyOn(DatabaseSync.prototype, "prepare");
	const rows = await openSqliteRows(folder, nosync);
	const prepared = prepare.mock.calls.map(([sql]) => sql).filter((sql) => /FROM payment\b/.test(sql));
	prepare.mockRestore();
	rows.close();
	expect(prepared.length).toBeGreaterThan(6);
	expect(plansOf(folder, prepared).filter((step) => /SCAN|TEMP B-TREE/.test(step))).toEqual([]);
});
