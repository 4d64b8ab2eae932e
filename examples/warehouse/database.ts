// A service's own database, with a durable note of what it has handled, so that nothing has its effect twice.
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

export interface Database {
	readonly sql: DatabaseSync;
	transaction<T>(work: () => T): T;
	/** Does the work and notes its key, in one transaction. A key that is known gives what the work gave at first, as JSON keeps it. */
	once<T>(key: string, work: () => T): T;
	knows(key: string): boolean;
	close(): void;
}

/** Keys that are remembered; a message that comes again after so many others would be taken for a new one. */
const handledMax = 100_000;

export function openDatabase(path: string, schema: string): Database {
	mkdirSync(dirname(path), { recursive: true });
	const sql = new DatabaseSync(path);
	// FULL: what is acknowledged is on disk.
	sql.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 2000;");
	sql.exec(`CREATE TABLE IF NOT EXISTS handled (
		seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, result TEXT NOT NULL
	); ${schema}`);
	const find = sql.prepare("SELECT result FROM handled WHERE key = ?");
	const note = sql.prepare("INSERT INTO handled (key, result) VALUES (?, ?) RETURNING seq");
	const forget = sql.prepare("DELETE FROM handled WHERE seq <= ?");

	function transaction<T>(work: () => T): T {
		sql.exec("BEGIN IMMEDIATE");
		try {
			const result = work();
			sql.exec("COMMIT");
			return result;
		} catch (error) {
			sql.exec("ROLLBACK");
			throw error;
		}
	}

	return {
		sql,
		transaction,
		once<T>(key: string, work: () => T): T {
			return transaction(() => {
				const known = find.get(key);
				if (known) return JSON.parse(known.result as string) as T;
				const result = work();
				const { seq } = note.get(key, JSON.stringify(result ?? null)) as { seq: number };
				forget.run(seq - handledMax);
				return result;
			});
		},
		knows: (key) => find.get(key) !== undefined,
		close: () => sql.close(),
	};
}
