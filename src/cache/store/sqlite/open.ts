// Opens the database of a folder: alone, undamaged, of a version that is known, and with nothing lost of what it promised.
import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Refusal } from "../../../refusal.ts";
import { type HighWater, openHighWater } from "./high-water.ts";
import { migrate } from "./schema.ts";

/** Before it, SQLite could corrupt a database when a WAL was reset under several connections. */
const versionMin = [3, 51, 3] as const;
/** Every page of a database up to this size is checked at the start, at about 1 ms a MB; larger ones as they are read. */
const checkedMaxBytes = 64 * 1024 * 1024;
/** Pages kept in memory, KiB; what is not in it is read from the file system's cache. */
const cacheKib = 16 * 1024;
/** Pages after which the WAL is written back: more make rarer, longer pauses. */
const checkpointPages = 4_000;
const walMaxBytes = 64 * 1024 * 1024;

export interface OpenedDatabase {
	readonly db: DatabaseSync;
	readonly wal: number;
	readonly highWater: HighWater;
	close(): void;
}

/** Throws a Refusal where the folder is in use, or its database is damaged, newer, or has lost commits. */
export function openDatabase(folder: string): OpenedDatabase {
	mkdirSync(folder, { recursive: true });
	const file = join(folder, "payments.db");
	const lock = openLock(folder);
	let db: DatabaseSync | undefined;
	let highWater: HighWater | undefined;
	try {
		db = new DatabaseSync(file);
		checkVersion(db);
		configure(db);
		migrate(db, file);
		check(db, file);
		highWater = openHighWater(join(folder, "high-water"));
		const { commits } = db.prepare("SELECT commits FROM marks").get() as { commits: number };
		if (commits < highWater.read())
			throw new Refusal(
				`${file} has lost commits: it ends at ${commits}, but ${highWater.read()} were promised. ` +
					"Its write-ahead log is damaged or was removed; restore it, or start on another folder",
			);
		// Starts are counted durably before anything else, as no token may ever repeat.
		db.exec("PRAGMA synchronous = FULL; UPDATE marks SET boot = boot + 1; PRAGMA synchronous = NORMAL");
		syncFolder(folder);
		const wal = openSync(`${file}-wal`, "r+");
		const opened = { db, wal, highWater };
		return {
			...opened,
			close() {
				opened.db.close();
				closeSync(wal);
				opened.highWater.close();
				lock.close();
			},
		};
	} catch (error) {
		db?.close();
		highWater?.close();
		lock.close();
		throw damage(error, file);
	}
}

/** The kernel lets go of the lock when its holder ends, however that happens. */
function openLock(folder: string): DatabaseSync {
	const lock = new DatabaseSync(join(folder, "lock.db"));
	try {
		lock.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
		return lock;
	} catch (error) {
		lock.close();
		if ((error as { errcode?: number }).errcode !== 5) throw error;
		throw new Refusal(`${folder} is in use by another cache; a store has one owner`);
	}
}

function checkVersion(db: DatabaseSync): void {
	const { version } = db.prepare("SELECT sqlite_version() AS version").get() as { version: string };
	const found = version.split(".").map(Number);
	const older = versionMin.findIndex((part, i) => part !== found[i]);
	if (older !== -1 && (found[older] ?? 0) < versionMin[older]!)
		throw new Refusal(`SQLite ${version} is too old: ${versionMin.join(".")} is the oldest that keeps its promises`);
}

/**
 * Commits are made safe by our own fdatasync of the WAL, off the event loop and before the answer (rows.ts), which is
 * what FULL does within the commit. NORMAL leaves to SQLite the syncs around checkpoints and of a restarted WAL's header.
 */
function configure(db: DatabaseSync): void {
	db.exec(`
		PRAGMA journal_mode = WAL;
		PRAGMA synchronous = NORMAL;
		PRAGMA wal_autocheckpoint = ${checkpointPages};
		PRAGMA journal_size_limit = ${walMaxBytes};
		PRAGMA cache_size = -${cacheKib};
		PRAGMA mmap_size = 0;
		PRAGMA temp_store = MEMORY;
		PRAGMA cell_size_check = ON;
	`);
}

function check(db: DatabaseSync, file: string): void {
	if (statSync(file).size > checkedMaxBytes) return;
	const [found] = Object.values(db.prepare("PRAGMA quick_check(1)").get() ?? {});
	if (found !== "ok") throw new Refusal(`${file} is damaged: ${found}`);
}

function syncFolder(folder: string): void {
	const fd = openSync(folder, "r");
	fsyncSync(fd);
	closeSync(fd);
}

/** SQLite's words for a damaged file (11 CORRUPT, 26 NOTADB), as a refusal. */
function damage(error: unknown, file: string): unknown {
	const { errcode, message } = error as { errcode?: number; message?: string };
	return errcode !== undefined && [11, 26].includes(errcode & 0xff)
		? new Refusal(`${file} is damaged: ${message}`, { cause: error })
		: error;
}
