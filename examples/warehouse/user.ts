// The users' wishlists, and the mails that they owe to those who wish for what has become available.
import type { Database } from "./database.ts";
import type { Mail, Mailer } from "./mail.ts";

export const userSchema = `
	CREATE TABLE IF NOT EXISTS wishes (
		user TEXT NOT NULL, email TEXT NOT NULL, sku TEXT NOT NULL, notified INTEGER NOT NULL DEFAULT 0,
		PRIMARY KEY (sku, user)
	) WITHOUT ROWID;
	CREATE TABLE IF NOT EXISTS mails (
		id TEXT PRIMARY KEY, user TEXT NOT NULL, email TEXT NOT NULL, sku TEXT NOT NULL, sent_ms INTEGER
	) WITHOUT ROWID;
	CREATE INDEX IF NOT EXISTS unsent ON mails (id) WHERE sent_ms IS NULL;`;

export interface Wish {
	readonly user: string;
	readonly email: string;
	readonly sku: string;
}

export interface Users {
	/** Writes down a mail for each who wishes for it and was not notified yet, where there is something to sell. */
	notify(sku: string, available: number): void;
	/** Resolves when every mail that was written down has been handed over. */
	sendMails(): Promise<void>;
	allSent(): boolean;
}

/** Mails that are read from the database at a time. */
const batchMax = 100;

export function createUsers({ sql }: Database, wishes: readonly Wish[], mailer: Mailer, now: () => number): Users {
	const wish = sql.prepare("INSERT OR IGNORE INTO wishes (user, email, sku) VALUES (?, ?, ?)");
	for (const { user, email, sku } of wishes) wish.run(user, email, sku);
	const write = sql.prepare(
		"INSERT INTO mails (id, user, email, sku) SELECT ? || '.' || user, user, email, sku FROM wishes WHERE sku = ? AND notified = 0",
	);
	const notified = sql.prepare("UPDATE wishes SET notified = 1 WHERE sku = ?");
	const unsent = sql.prepare(`SELECT id, user, email, sku FROM mails WHERE sent_ms IS NULL LIMIT ${batchMax}`);
	const sent = sql.prepare("UPDATE mails SET sent_ms = ? WHERE id = ?");
	let last = Promise.resolve();

	/** A mail is sent again only where the process ended between the handing over and the note; its id is then the same. */
	async function send(): Promise<void> {
		for (;;) {
			const mails = unsent.all() as unknown as Mail[];
			if (mails.length === 0) return;
			for (const mail of mails) {
				await mailer(mail);
				sent.run(Math.round(now()), mail.id);
			}
		}
	}

	return {
		notify(sku, available) {
			if (available <= 0) return;
			write.run(crypto.randomUUID(), sku);
			notified.run(sku);
		},
		sendMails() {
			// One after the other, so that no mail is in two hands; each caller hears of its own failure.
			last = last.then(send, send);
			return last;
		},
		allSent: () => unsent.get() === undefined,
	};
}
