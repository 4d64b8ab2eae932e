// The inventory: what warehouses reported, and how many items of each SKU can be sold.
import type { Database } from "./database.ts";
import type { Report } from "./report.ts";

export const inventorySchema = `
	CREATE TABLE IF NOT EXISTS reports (
		id TEXT PRIMARY KEY, sku TEXT NOT NULL, received INTEGER NOT NULL, damaged INTEGER NOT NULL,
		withdrawn INTEGER NOT NULL DEFAULT 0
	) WITHOUT ROWID;
	CREATE INDEX IF NOT EXISTS reports_sku ON reports (sku);
	CREATE TABLE IF NOT EXISTS stock (
		sku TEXT PRIMARY KEY, available INTEGER NOT NULL, revision INTEGER NOT NULL, at_ms INTEGER NOT NULL
	) WITHOUT ROWID;`;

export interface Stock {
	readonly available: number;
	/** Grows with each recalculation of the SKU: of two, the larger is newer. */
	readonly revision: number;
}

export interface Inventory {
	/** Records the numbers; false where the report was there already. */
	record(report: Report): boolean;
	/** Adds up what counts of a SKU. */
	recalculate(sku: string): Stock;
	/** The report counts no longer. */
	withdraw(reportId: string): void;
	stock(sku: string): Stock | undefined;
}

export function createInventory({ sql }: Database, now: () => number): Inventory {
	const insert = sql.prepare("INSERT OR IGNORE INTO reports (id, sku, received, damaged) VALUES (?, ?, ?, ?)");
	const withdraw = sql.prepare("UPDATE reports SET withdrawn = 1 WHERE id = ?");
	const recalculate = sql.prepare(`
		INSERT INTO stock (sku, available, revision, at_ms)
		SELECT $sku, coalesce(sum(received - damaged), 0), 1, $now FROM reports WHERE sku = $sku AND withdrawn = 0
		ON CONFLICT DO UPDATE SET available = excluded.available, revision = stock.revision + 1, at_ms = excluded.at_ms
		RETURNING available, revision`);
	const find = sql.prepare("SELECT available, revision FROM stock WHERE sku = ?");
	return {
		record: ({ reportId, sku, received, damaged }) => insert.run(reportId, sku, received, damaged).changes === 1,
		recalculate: (sku) => recalculate.get({ $sku: sku, $now: Math.round(now()) }) as unknown as Stock,
		withdraw: (reportId) => void withdraw.run(reportId),
		stock: (sku) => find.get(sku) as unknown as Stock | undefined,
	};
}
