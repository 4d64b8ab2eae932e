// The number of the newest commit that is on disk, kept apart from the database.
//
// SQLite drops everything behind a damaged page of its WAL without a word; a database whose commits end before this
// mark has lost some that were promised. The mark may lag behind, but is never ahead: it is written after the sync.
import { closeSync, fdatasync, fdatasyncSync, openSync, readSync, renameSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import { Refusal } from "../../../refusal.ts";

/** One sector holds it, so that a loss of power leaves the old mark or the new one. */
const length = 32;

export interface HighWater {
	/** As it was when opened; 0 where there was no mark. */
	readonly found: number;
	write(commit: number): void;
	/** Makes the mark itself safe: it protects from the damage of what was written before. */
	sync(): Promise<void>;
	close(): void;
}

/** Opens the mark, or makes it. Throws a Refusal where it cannot be read. */
export function openHighWater(path: string): HighWater {
	const fd = openMark(path);
	try {
		return {
			found: readMark(fd, path),
			write: (commit) => writeMark(fd, commit),
			sync: () => promisify(fdatasync)(fd),
			close() {
				fdatasyncSync(fd);
				closeSync(fd);
			},
		};
	} catch (error) {
		closeSync(fd);
		throw error;
	}
}

function readMark(fd: number, path: string): number {
	const bytes = new Uint8Array(length + 1);
	const read = readSync(fd, bytes, 0, bytes.length, 0);
	// Both halves are the same number: a flipped bit shows.
	const text = new TextDecoder("latin1").decode(bytes.subarray(0, read));
	const [, first, second] = /^(\d{15}) (\d{15})\n$/.exec(text) ?? [];
	if (first === undefined || first !== second)
		throw new Refusal(
			`${path} is damaged: how many commits were promised cannot be told from it. ` +
				"Restore it, or remove it to start without this check",
		);
	return Number(first);
}

function writeMark(fd: number, commit: number): void {
	const digits = String(commit).padStart(15, "0");
	// As bytes: given text, Deno does not heed the position.
	const bytes = Buffer.from(`${digits} ${digits}\n`, "latin1");
	writeSync(fd, bytes, 0, bytes.length, 0);
}

function openMark(path: string): number {
	try {
		return openSync(path, "r+");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
		return makeMark(path);
	}
}

/** It is there whole or not at all: an empty one has lost its number. */
function makeMark(path: string): number {
	const made = `${path}.new`;
	const fd = openSync(made, "w+");
	try {
		writeMark(fd, 0);
		fdatasyncSync(fd);
		renameSync(made, path);
		return fd;
	} catch (error) {
		closeSync(fd);
		throw error;
	}
}
