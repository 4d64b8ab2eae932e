// Events that are true and not published yet: written in the transaction that makes them true, gone when the broker has them.
import type { Database } from "../warehouse/database.ts";
import type { SkuProcessed } from "./event.ts";

export const outboxSchema = `
	CREATE TABLE IF NOT EXISTS outbox (
		seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, sku TEXT NOT NULL
	);`;

export interface Outbox {
	/** To be called in a transaction. */
	add(event: SkuProcessed): void;
	/** The oldest. */
	next(max: number): SkuProcessed[];
	remove(id: string): void;
	count(): number;
}

export function createOutbox({ sql }: Database): Outbox {
	const add = sql.prepare("INSERT INTO outbox (id, sku) VALUES (?, ?)");
	const next = sql.prepare("SELECT id, sku FROM outbox ORDER BY seq LIMIT ?");
	const remove = sql.prepare("DELETE FROM outbox WHERE id = ?");
	const count = sql.prepare("SELECT count(*) AS events FROM outbox");
	return {
		add: ({ id, sku }) => void add.run(id, sku),
		next: (max) => next.all(max) as unknown as SkuProcessed[],
		remove: (id) => void remove.run(id),
		count: () => (count.get() as { events: number }).events,
	};
}
