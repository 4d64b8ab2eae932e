// Looks whether a database is what was promised, without changing a byte of it: what is refused stays as it was found.
import { closeSync, existsSync, fsyncSync, openSync, rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { Refusal } from "../../../refusal.ts";
import { readMarks } from "./marks.ts";
import { outboxIsWhole } from "./outbox.ts";
import { type Columns, checkedColumns, isIntact } from "./record.ts";
import { rollupAddsUp } from "./rollup.ts";
import { outboxSince, versionOf } from "./schema.ts";
import { isSqliteError } from "./sqlite-error.ts";
import { sqlSumOf } from "./sum.ts";

/** Up to this size every page's structure is checked at the start, at about 1.5 ms a MB. */
const pagesCheckedMaxBytes = 32 * 1024 * 1024;
/**
 * Up to this size every value is, too, at about 15 ms a MB. Those of larger ones are checked as they are read; once one
 * was found to be wrong, every start checks all, whatever the size, until a person has put the database right.
 */
const valuesCheckedMaxBytes = 6 * 1024 * 1024;

/** Throws a Refusal where the database is damaged, newer, or ends before the commit `promised`. */
export function inspect(file: string, promised: number): void {
	if (statSync(file, { throwIfNoEntry: false })?.isFile() === false)
		throw new Refusal(`${file} is no file: move it away, or start on another folder`);
	const wal = sizeOf(`${file}-wal`);
	if (sizeOf(file) === 0) {
		if (promised > 0 || wal > 0) throw new Refusal(`${file} is missing or empty, but it was in use: restore it`);
		return;
	}
	try {
		rollBackBirth(file);
		// A read-only connection neither writes the log back nor removes it when it closes.
		const db = new DatabaseSync(file, { readOnly: true });
		try {
			const unborn = versionOf(db, file) === 0;
			const commit = unborn ? 0 : readMarks(db, file).commit;
			if (commit < promised)
				throw new Refusal(
					`${file} has lost commits: it ends at ${commit}, but ${promised} were promised. ` +
						"Its write-ahead log is damaged or was removed; restore it, or start on another folder",
				);
			if (unborn) return;
			// The log's pages need no check here: each has a check sum, and SQLite ends the log at the first that is wrong.
			const suspected = existsSync(suspicion(file));
			if (suspected || sizeOf(file) <= valuesCheckedMaxBytes) {
				checkPages(db, file, "integrity_check");
				checkValues(db, file);
				if (suspected) rmSync(suspicion(file));
			} else if (sizeOf(file) <= pagesCheckedMaxBytes) checkPages(db, file, "quick_check");
		} finally {
			db.close();
		}
	} catch (error) {
		throw damage(error, file);
	}
}

/** The file whose presence says that a value was found to be wrong while the database was in use. */
const suspicion = (file: string): string => `${file}-damaged`;

/**
 * To be thrown where what was read, such as `payment 7`, is not what was written: nothing is promised on such a database
 * any more.
 */
export function condemn(file: string, what: string): Refusal {
	try {
		const fd = openSync(suspicion(file), "w");
		fsyncSync(fd);
		closeSync(fd);
	} catch {
		// A disk that is full, or takes nothing any more: without the mark it is found again when it is read again.
	}
	return wrong(file, what);
}

function wrong(file: string, what: string): Refusal {
	const todo = "restore it from a backup, or start on another folder";
	return new Refusal(`${file} is damaged: ${what} is not what was written; ${todo}`);
}

/** SQLite's words for a damaged file, as a refusal. */
export function damage(error: unknown, file: string): unknown {
	if (error instanceof Refusal || !isSqliteError(error, "corrupt", "foreign", "outOfRange")) return error;
	return new Refusal(`${file} is damaged: ${(error as Error).message}`, { cause: error });
}

/** Only the very first start has a rollback journal; killed in it, it left nothing to lose. */
function rollBackBirth(file: string): void {
	if (!existsSync(`${file}-journal`)) return;
	const db = new DatabaseSync(file);
	try {
		versionOf(db, file);
	} finally {
		db.close();
	}
}

function checkPages(db: DatabaseSync, file: string, pragma: "integrity_check" | "quick_check"): void {
	const [found] = Object.values(db.prepare(`PRAGMA ${pragma}(1)`).get() ?? {});
	if (found !== "ok") throw new Refusal(`${file} is damaged: ${String(found).split("\n").at(-1)}`);
}

function checkValues(db: DatabaseSync, file: string): void {
	const found = db
		.prepare(`SELECT seq FROM payment WHERE more IS NULL AND sum <> ${sqlSumOf(checkedColumns, ["due_at_ms"])} LIMIT 1`)
		.get();
	if (found) throw wrong(file, `payment ${(found as { seq: number }).seq}`);
	const withMore = db.prepare("SELECT * FROM payment WHERE more IS NOT NULL").iterate() as Iterable<unknown>;
	for (const row of withMore as Iterable<Columns>) if (!isIntact(row)) throw wrong(file, `payment ${row.seq}`);
	if (!rollupAddsUp(db, versionOf(db, file)))
		throw new Refusal(`${file} is damaged: the ledger's totals do not add up`);
	if (versionOf(db, file) >= outboxSince && !outboxIsWhole(db, readMarks(db, file))) throw wrong(file, "its outbox");
}

function sizeOf(path: string): number {
	return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
