// The catalog: what shoppers are told that they can buy.
import type { Database } from "./database.ts";
import type { Stock } from "./inventory.ts";

export const catalogSchema = `
	CREATE TABLE IF NOT EXISTS items (
		sku TEXT PRIMARY KEY, available INTEGER NOT NULL, revision INTEGER NOT NULL, at_ms INTEGER NOT NULL
	) WITHOUT ROWID;`;

export interface Catalog {
	/** False: the catalog does not carry it. */
	carries(sku: string): boolean;
	/** Marks it available or not, unless something newer is known. */
	mark(sku: string, stock: Stock): void;
}

export function createCatalog({ sql }: Database, discontinued: readonly string[], now: () => number): Catalog {
	const gone = new Set(discontinued);
	const mark = sql.prepare(`
		INSERT INTO items (sku, available, revision, at_ms) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET available = excluded.available, revision = excluded.revision, at_ms = excluded.at_ms
		WHERE excluded.revision > items.revision`);
	return {
		carries: (sku) => !gone.has(sku),
		mark: (sku, { available, revision }) => void mark.run(sku, available > 0 ? 1 : 0, revision, Math.round(now())),
	};
}
