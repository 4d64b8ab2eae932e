// The users' wishlists: who is owed a mail when a SKU has become available.
import type { Database } from "./database.ts";

export const userSchema = `
	CREATE TABLE IF NOT EXISTS wishes (
		user TEXT NOT NULL, email TEXT NOT NULL, sku TEXT NOT NULL, notified INTEGER NOT NULL DEFAULT 0,
		PRIMARY KEY (sku, user)
	) WITHOUT ROWID;
	CREATE TABLE IF NOT EXISTS mails (
		id TEXT PRIMARY KEY, user TEXT NOT NULL, email TEXT NOT NULL, sku TEXT NOT NULL,
		attempts INTEGER NOT NULL DEFAULT 0, sent_ms INTEGER
	) WITHOUT ROWID;
	CREATE INDEX IF NOT EXISTS unsent ON mails (attempts) WHERE sent_ms IS NULL;`;

export interface Wish {
	readonly user: string;
	readonly email: string;
	readonly sku: string;
}

export interface Users {
	/** Writes down a mail for each who wishes for it and was not notified yet, where there is something to sell. */
	notify(sku: string, available: number): void;
}

export function createUsers({ sql }: Database, wishes: readonly Wish[]): Users {
	const wish = sql.prepare("INSERT OR IGNORE INTO wishes (user, email, sku) VALUES (?, ?, ?)");
	for (const { user, email, sku } of wishes) wish.run(user, email, sku);
	const write = sql.prepare(`INSERT INTO mails (id, user, email, sku)
		SELECT ? || '.' || user, user, email, sku FROM wishes WHERE sku = ? AND notified = 0`);
	const notified = sql.prepare("UPDATE wishes SET notified = 1 WHERE sku = ?");
	return {
		notify(sku, available) {
			if (available <= 0) return;
			write.run(crypto.randomUUID(), sku);
			notified.run(sku);
		},
	};
}
