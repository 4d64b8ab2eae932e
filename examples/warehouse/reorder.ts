// Orders at the supplier what runs low: the service that joins when the others have long been running.
import type { Database } from "./database.ts";
import type { Stock } from "./inventory.ts";

export const reorderSchema = `
	CREATE TABLE IF NOT EXISTS items (
		sku TEXT PRIMARY KEY, ordered INTEGER NOT NULL, revision INTEGER NOT NULL, at_ms INTEGER NOT NULL
	) WITHOUT ROWID;`;

/** Below so many items a SKU is ordered. */
const lowItems = 3;

export interface Reorder {
	/** Orders it where few are left, unless something newer is known. */
	review(sku: string, stock: Stock): void;
}

export function createReorder({ sql }: Database, now: () => number): Reorder {
	const review = sql.prepare(`
		INSERT INTO items (sku, ordered, revision, at_ms) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET ordered = excluded.ordered, revision = excluded.revision, at_ms = excluded.at_ms
		WHERE excluded.revision > items.revision`);
	return {
		review: (sku, { available, revision }) =>
			void review.run(sku, available < lowItems ? 1 : 0, revision, Math.round(now())),
	};
}
