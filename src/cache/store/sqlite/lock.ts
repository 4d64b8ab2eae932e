// One owner a folder: a lock that the kernel lets go of when its holder ends, however that happens.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Refusal, refusalOf } from "../../../refusal.ts";
import { isSqliteError } from "./sqlite-error.ts";

/**
 * Locks the folder until the result is closed; throws a Refusal where another process has it. The lock is SQLite's own
 * on a database of its own, because neither runtime gives file locks to programs. The kernel drops such a lock as soon
 * as this process closes any descriptor of that file, so nothing else may ever open it.
 */
export function lockFolder(folder: string): { close(): void } {
	const file = join(folder, "lock.db");
	// Beside the lock, and only for people: it stays behind when its writer is killed.
	const note = join(folder, "owner.pid");
	let lock: DatabaseSync | undefined;
	try {
		lock = new DatabaseSync(file);
		lock.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
	} catch (error) {
		lock?.close();
		if (isSqliteError(error, "unopened", "readonly")) throw notWritable(folder, error);
		if (isSqliteError(error, "busy"))
			throw new Refusal(`${folder} is in use by another cache${ownerOf(note)}; a store has one owner`);
		if (isSqliteError(error, "corrupt", "foreign"))
			throw new Refusal(`${file} is damaged; remove it while no cache runs on this folder`, { cause: error });
		throw error;
	}
	try {
		writeFileSync(note, `${process.pid}\n`);
	} catch (error) {
		lock.close();
		// A database that was there before is opened also where nothing can be written.
		throw refusalOf(error) === undefined ? error : notWritable(folder, error);
	}
	return lock;
}

function notWritable(folder: string, error: unknown): Refusal {
	return new Refusal(`${folder} (DATA_DIR) cannot be written to: ${(error as Error).message}`, { cause: error });
}

function ownerOf(note: string): string {
	try {
		return ` (process ${readFileSync(note, "latin1").trim()})`;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
		return "";
	}
}
