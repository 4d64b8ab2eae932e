// Opens the database of a folder: alone, undamaged, of a version that is known, and with nothing lost of what it promised.
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Refusal } from "../../../refusal.ts";
import type { Marks } from "../rows.ts";
import { makeFolder, syncFolder } from "./folder.ts";
import { type HighWater, openHighWater } from "./high-water.ts";
import { damage, inspect } from "./inspect.ts";
import { lockFolder } from "./lock.ts";
import { prepareSaveMarks, readMarks } from "./marks.ts";
import { migrate } from "./schema.ts";

/** Before it, SQLite could corrupt a database when a WAL was reset under several connections. */
const versionMin = [3, 51, 3] as const;
/** Pages kept in memory, KiB; what is not in it is read from the file system's cache. */
const cacheKib = 16 * 1024;
/** The WAL's size on disk after it was written back; in between it grows past the checkpoint's bound by one batch. */
const walMaxBytes = 64 * 1024 * 1024;

export interface OpenedDatabase {
	readonly db: DatabaseSync;
	readonly file: string;
	readonly marks: Marks;
	/** A descriptor of the WAL, which stays the same file for as long as the database is open. */
	readonly wal: number;
	/** A descriptor of the database's file. */
	readonly main: number;
	readonly highWater: HighWater;
	/** Writes the log back into the database and lets go of the folder. */
	close(): void;
	/** The same without writing anything back: after a failed sync, what the log's pages hold is not known. */
	abandon(): void;
}

/** Throws a Refusal where the folder is in use, or its database is damaged, newer, or has lost commits. */
export function openDatabase(folder: string): OpenedDatabase {
	checkVersion();
	makeFolder(folder);
	const file = join(folder, "payments.db");
	const lock = lockFolder(folder);
	let highWater: HighWater | undefined;
	let db: DatabaseSync | undefined;
	try {
		highWater = openHighWater(join(folder, "high-water"));
		inspect(file, highWater.found);
		db = new DatabaseSync(file);
		configure(db, file);
		migrate(db, file);
		// Starts are counted durably before anything else, as no token may ever repeat.
		const marks = readMarks(db, file);
		marks.boot++;
		db.exec("PRAGMA synchronous = FULL");
		prepareSaveMarks(db)(marks);
		db.exec("PRAGMA synchronous = NORMAL");
		highWater.write(marks.commit);
		const wal = openSync(`${file}-wal`, "r+");
		syncFolder(folder);
		const main = openSync(file, "r+");
		return { db, file, marks, wal, main, highWater, ...endings(db, file, [wal, main], highWater, lock) };
	} catch (error) {
		db?.close();
		highWater?.close();
		lock.close();
		throw damage(error, file);
	}
}

function endings(
	db: DatabaseSync,
	file: string,
	own: readonly number[],
	highWater: HighWater,
	lock: { close(): void },
) {
	/** Only once the database is closed: the kernel drops all locks on a file when any descriptor of it is closed. */
	function letGo(): void {
		for (const fd of own) closeSync(fd);
		highWater.close();
		lock.close();
	}
	return {
		close() {
			db.close();
			letGo();
		},
		abandon() {
			// Only the last connection writes back, and one that may only read never does.
			const last = new DatabaseSync(file, { readOnly: true });
			last.prepare("SELECT one FROM marks").get();
			db.close();
			last.close();
			letGo();
		},
	};
}

function checkVersion(): void {
	const db = new DatabaseSync(":memory:");
	const { version } = db.prepare("SELECT sqlite_version() AS version").get() as { version: string };
	db.close();
	const found = version.split(".").map(Number);
	const other = versionMin.findIndex((part, i) => part !== found[i]);
	if (other !== -1 && (found[other] ?? 0) < versionMin[other]!)
		throw new Refusal(`SQLite ${version} is too old: ${versionMin.join(".")} is the oldest that keeps its promises`);
}

/**
 * Why NORMAL keeps what FULL promises here. In a WAL, FULL differs from NORMAL by one sync of the log at the end of each
 * commit (sqlite.org/pragma.html#pragma_synchronous). We make that sync ourselves (quick-sync.ts), before the commit
 * is spoken of and before the next one begins (rows.ts). So the log is synced, too, when a checkpoint copies from it
 * (checkpoint.ts), and the database is synced by us right after that, before the next transaction, which may begin the log
 * anew. The new log's header stays SQLite's to sync, before any frame that relies on it. The log is never replaced while
 * a connection is open, so our descriptor stays on it.
 */
function configure(db: DatabaseSync, file: string): void {
	const { journal_mode: mode } = db.prepare("PRAGMA journal_mode = WAL").get() as { journal_mode: string };
	if (mode !== "wal") throw new Refusal(`${file} cannot have a write-ahead log: is this a network file system?`);
	db.exec(`
		PRAGMA synchronous = NORMAL;
		PRAGMA wal_autocheckpoint = 0;
		PRAGMA journal_size_limit = ${walMaxBytes};
		PRAGMA cache_size = -${cacheKib};
		PRAGMA mmap_size = 0;
		PRAGMA temp_store = MEMORY;
		PRAGMA cell_size_check = ON;
	`);
}
