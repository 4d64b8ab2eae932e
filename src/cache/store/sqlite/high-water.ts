// The number of the newest commit that is on disk, kept apart from the database.
//
// SQLite drops everything behind a damaged page of its WAL without a word; a database whose commits end before this
// mark has lost some that were promised. The mark may lag behind, but is never ahead: it is written after the sync.
import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from "node:fs";

const length = 32;

export interface HighWater {
	/** 0 where there is no mark that can be read. */
	read(): number;
	write(commit: number): void;
	close(): void;
}

/** Opens the mark, or makes it. */
export function openHighWater(path: string): HighWater {
	const fd = openMark(path);
	return {
		read() {
			const bytes = new Uint8Array(length);
			readSync(fd, bytes, 0, length, 0);
			// Both halves are the same number: a torn write shows.
			const [, first, second] = /^(\d{15}) (\d{15})\n$/.exec(new TextDecoder().decode(bytes)) ?? [];
			return first !== undefined && first === second ? Number(first) : 0;
		},
		write(commit) {
			const text = String(commit).padStart(15, "0");
			writeSync(fd, `${text} ${text}\n`, 0);
		},
		close() {
			fdatasyncSync(fd);
			closeSync(fd);
		},
	};
}

function openMark(path: string): number {
	try {
		return openSync(path, "r+");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
		return openSync(path, "w+");
	}
}
