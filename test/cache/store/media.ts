// Stores over each medium, for tests in simulated time: opened, closed, and lost in a crash as often as a test likes.
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { createStore } from "../../../src/cache/store/group-commit.ts";
import { createMemoryRows } from "../../../src/cache/store/memory-rows.ts";
import type { Rows } from "../../../src/cache/store/rows.ts";
import { openSqliteRows } from "../../../src/cache/store/sqlite/rows.ts";
import type { Store, StoreSettings } from "../../../src/cache/store/store.ts";
import type { Clock } from "../../../src/clock.ts";

/** A medium on which rows are kept over starts. */
export interface Medium {
	readonly name: string;
	open(): Promise<Rows>;
	/** The owner ends without a word; the next `open` begins with what is on the medium. */
	crash(): void;
	/** Closes what is open, and opens it again. */
	reopen(): Promise<Rows>;
}

/** What a test of the whole store port needs: a PostgreSQL store would be another one of these. */
export interface StoreUnderTest {
	readonly name: string;
	open(settings: StoreSettings, clock: Clock): Promise<Store>;
	/** Ends the store without a word; `open` begins with what it had promised. */
	crash(): Promise<void>;
}

export function temporaryFolder(): string {
	const folder = mkdtempSync(join(tmpdir(), "payrelay-store-"));
	onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
	return folder;
}

/** Memory that outlives its owner, as a disk does; marks that were not committed end with the owner. */
export function memoryMedium(): Medium {
	const rows = createMemoryRows();
	const { marks } = rows;
	let committed = { ...marks };
	let boot = 0;
	async function open(): Promise<Rows> {
		Object.assign(marks, committed, { boot: ++boot });
		return {
			...rows,
			marks,
			commit() {
				rows.commit();
				committed = { ...marks };
			},
		};
	}
	return { name: "memory", open, crash() {}, reopen: open };
}

/** What is in a folder's files at this moment, as a process that is killed leaves it behind. */
export function copyStore(from: string, to: string): void {
	for (const name of ["payments.db", "payments.db-wal", "high-water"])
		if (existsSync(join(from, name))) copyFileSync(join(from, name), join(to, name));
}

export interface SqliteMedium extends Medium {
	/** The files as they are now, for a crash that leaves no more than that. */
	snapshot(): string;
	crash(snapshot?: string): void;
}

/** By default nothing is made safe, which is slow and changes nothing where the power stays on. */
export function sqliteMedium(fdatasync: () => Promise<void> = async () => {}): SqliteMedium {
	let folder = temporaryFolder();
	let rows: Rows | undefined;
	async function open(): Promise<Rows> {
		const opened = await openSqliteRows(folder, { fdatasync });
		rows = opened;
		onTestFinished(() => opened.close());
		return opened;
	}
	function snapshot(): string {
		const copy = temporaryFolder();
		copyStore(folder, copy);
		return copy;
	}
	return {
		name: "SQLite",
		open,
		snapshot,
		crash(left = snapshot()) {
			// The lock of a process that lives on does not end: the next start gets the files in another folder.
			rows?.close();
			folder = left;
		},
		reopen() {
			rows?.close();
			return open();
		},
	};
}

export const media: readonly (readonly [string, () => Medium])[] = [
	["memory", memoryMedium],
	["SQLite", () => sqliteMedium()],
];

/** Settles and releases wait for nobody, so that no time need pass for them. */
export const storeOptions = { random: () => 0.5, paceMs: 0 } as const;

export function storeOn(medium: Medium): StoreUnderTest {
	return {
		name: medium.name,
		open: async (settings, clock) => createStore(await medium.open(), settings, { ...storeOptions, clock }),
		crash: async () => medium.crash(),
	};
}
