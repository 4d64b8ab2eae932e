// What the services have come to, read from their own databases: for whoever compares the two styles, and no service.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";

export interface FinalState {
	/** Items that can be sold, as the inventory has them, by SKU. */
	readonly stock: Readonly<Record<string, number>>;
	/** Whether the catalog shows it as available, by SKU. */
	readonly catalog: Readonly<Record<string, boolean>>;
	/** Who was sent a mail about what: "user SKU", sorted. */
	readonly mails: readonly string[];
}

export function readFinalState(data: string): FinalState {
	return {
		stock: Object.fromEntries(
			read(data, "inventory", "SELECT sku, available FROM stock ORDER BY sku").map((row) => [row.sku, row.available]),
		),
		catalog: Object.fromEntries(
			read(data, "catalog", "SELECT sku, available FROM items ORDER BY sku").map((row) => [
				row.sku,
				row.available === 1,
			]),
		),
		mails: read(data, "user", "SELECT user, sku FROM mails WHERE sent_ms IS NOT NULL ORDER BY user, sku").map(
			(row) => `${row.user} ${row.sku}`,
		),
	};
}

/** Rows of a service's database; none where it was never started. */
export function read(data: string, service: string, query: string): Record<string, SQLOutputValue>[] {
	const path = join(data, `${service}.db`);
	if (!existsSync(path)) return [];
	const sql = new DatabaseSync(path);
	try {
		sql.exec("PRAGMA busy_timeout = 2000");
		return sql.prepare(query).all();
	} finally {
		sql.close();
	}
}
