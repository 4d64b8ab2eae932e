// The database's schema, by version. A version is never changed once it was released; a new one is added.
import type { DatabaseSync } from "node:sqlite";
import { Refusal } from "../../../refusal.ts";
import { sumOf } from "./sum.ts";

/** "prly": tells this database from any other. */
const applicationId = 0x70726c79;

/** Migration n leads from version n to n + 1. */
const migrations: readonly string[] = [
	`
	CREATE TABLE payment (
		seq INTEGER PRIMARY KEY,
		id BLOB NOT NULL UNIQUE,
		amount_cents INTEGER NOT NULL,
		accepted_at_us INTEGER NOT NULL,
		state INTEGER NOT NULL,
		processor INTEGER,
		requested_at_us INTEGER,
		attempt INTEGER NOT NULL DEFAULT 0,
		attempts INTEGER NOT NULL DEFAULT 0,
		settled_at_us INTEGER,
		due_at_ms REAL,
		more TEXT,
		sum INTEGER NOT NULL
	) STRICT;
	-- In doubt, parked, given up: few rows, and none on the way of a payment that meets no trouble. Written with IN, it
	-- would double what each insert and update costs.
	CREATE INDEX payment_aside ON payment (due_at_ms) WHERE state = 2 OR state = 3 OR state = 5;

	CREATE TABLE rollup (
		level INTEGER NOT NULL,
		bucket INTEGER NOT NULL,
		count INTEGER NOT NULL,
		-- Cents = cents_high * 2^32 + cents_low: exact beyond 64 bits, and an integer of zero takes no room.
		cents_low INTEGER NOT NULL,
		cents_high INTEGER NOT NULL,
		PRIMARY KEY (level, bucket)
	) STRICT, WITHOUT ROWID;

	-- All of it is in an index once more, so that damage shows.
	CREATE TABLE forgotten (id BLOB NOT NULL UNIQUE, processor INTEGER NOT NULL, UNIQUE (processor, id)) STRICT;
	CREATE TABLE health (
		processor INTEGER PRIMARY KEY,
		poll_at_ms REAL NOT NULL DEFAULT 0,
		reachable INTEGER, failing INTEGER, min_response_ms INTEGER, at_us INTEGER
	) STRICT;
	CREATE TABLE marks (
		one INTEGER PRIMARY KEY CHECK (one = 1),
		epoch INTEGER NOT NULL, boot INTEGER NOT NULL, commits INTEGER NOT NULL,
		done_up_to INTEGER NOT NULL, leased_up_to INTEGER NOT NULL,
		open INTEGER NOT NULL, in_doubt INTEGER NOT NULL, parked INTEGER NOT NULL,
		accepted INTEGER NOT NULL, settled INTEGER NOT NULL, flagged INTEGER NOT NULL,
		attempts INTEGER NOT NULL, retries INTEGER NOT NULL,
		sum INTEGER NOT NULL
	) STRICT;
	INSERT INTO marks VALUES (1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ${sumOf([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])});
	INSERT INTO health (processor) VALUES (0), (1);
	`,
	`
	-- Filled at one end and emptied at the other. Numbers come from the marks, which are kept when it is empty.
	CREATE TABLE outbox (
		seq INTEGER PRIMARY KEY,
		payment BLOB NOT NULL,
		type INTEGER NOT NULL,
		time_us INTEGER NOT NULL,
		traceparent TEXT,
		sum INTEGER NOT NULL
	) STRICT;
	ALTER TABLE marks ADD COLUMN event_seq INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE marks ADD COLUMN events_forgotten INTEGER NOT NULL DEFAULT 0;
	CREATE TABLE store (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL UNIQUE) STRICT;
	INSERT INTO store VALUES (1, lower(hex(randomblob(16))));
	`,
	`
	-- Both processors side by side, and without the level of 4 ms: half the pages that a summary reads.
	CREATE TABLE total (
		level INTEGER NOT NULL,
		bucket INTEGER NOT NULL,
		processor INTEGER NOT NULL,
		count INTEGER NOT NULL,
		-- As they were in the table before.
		cents_low INTEGER NOT NULL,
		cents_high INTEGER NOT NULL,
		PRIMARY KEY (level, bucket, processor)
	) STRICT, WITHOUT ROWID;
	INSERT INTO total SELECT max(level % 16 - 1, 0), bucket, level / 16, count, cents_low, cents_high
		FROM rollup WHERE level % 16 <> 1;
	DROP TABLE rollup;
	`,
	`
	-- By state and processor, as they are asked for; the condition stays the one above.
	DROP INDEX payment_aside;
	CREATE INDEX payment_aside ON payment (state, processor, due_at_ms) WHERE state = 2 OR state = 3 OR state = 5;
	-- By place: every index holds that behind its columns.
	CREATE INDEX payment_parked ON payment (state) WHERE state = 3;
	`,
];

/** The version from which on there is an outbox. */
export const outboxSince = 2;

function pragma(db: DatabaseSync, name: string): number {
	return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
}

/** The version of the database, 0 for an empty one; refuses one of a newer program, and what is no database of ours. */
export function versionOf(db: DatabaseSync, file: string): number {
	const version = pragma(db, "user_version");
	if (pragma(db, "schema_version") !== 0 && pragma(db, "application_id") !== applicationId)
		throw new Refusal(`${file} is a database of another program; it is left alone`);
	if (version > migrations.length)
		throw new Refusal(
			`${file} has version ${version}, and this program knows ${migrations.length} at most: start a newer program`,
		);
	return version;
}

/** Brings the database to the newest version. */
export function migrate(db: DatabaseSync, file: string): void {
	for (let from = versionOf(db, file); from < migrations.length; from++) {
		db.exec("BEGIN IMMEDIATE");
		db.exec(migrations[from] as string);
		db.exec(`PRAGMA application_id = ${applicationId}`);
		db.exec(`PRAGMA user_version = ${from + 1}`);
		db.exec("COMMIT");
	}
}

/** What names this database in its events. */
export function storeIdOf(db: DatabaseSync): string {
	return (db.prepare("SELECT id FROM store").get() as { id: string }).id;
}
