// Rows in SQLite: one file in a folder, one owner, every commit on disk before it is spoken of.
import { fdatasync } from "node:fs";
import type { StatementSync } from "node:sqlite";
import { promisify } from "node:util";
import { type Processor, paymentIdToBytes, processors } from "../../../payment/payment.ts";
import type { Marks, Rows } from "../rows.ts";
import type { Health } from "../store.ts";
import { openDatabase } from "./open.ts";
import { type Columns, stateCode, toColumns, toRow } from "./record.ts";
import { createRollup } from "./rollup.ts";

export interface SqliteOptions {
	/** Makes what was written to a descriptor safe; a port for tests of a disk that fails. */
	readonly fdatasync?: (fd: number) => Promise<void>;
}

const fields = `seq, id, amount_cents, accepted_at_us, state, processor, requested_at_us, attempt, attempts,
	settled_at_us, due_at_ms, more`;
const openStates = [stateCode("accepted"), stateCode("in_flight")].join();
const readMarks = `SELECT epoch, boot, commits AS "commit", done_up_to AS doneUpTo, leased_up_to AS leasedUpTo, open,
	in_doubt AS inDoubt, parked, accepted, settled, flagged, attempts, retries FROM marks`;
const writeMarks = `UPDATE marks SET epoch = ?, boot = ?, commits = ?, done_up_to = ?, leased_up_to = ?, open = ?,
	in_doubt = ?, parked = ?, accepted = ?, settled = ?, flagged = ?, attempts = ?, retries = ?`;

/** Throws a Refusal where the folder is in use, or its database is damaged, newer, or has lost commits. */
export async function openSqliteRows(folder: string, options: SqliteOptions = {}): Promise<Rows> {
	const { db, wal, highWater, close } = openDatabase(folder);
	const syncFile = options.fdatasync ?? promisify(fdatasync);
	const rollup = createRollup(db);
	const begin = db.prepare("BEGIN IMMEDIATE");
	const commit = db.prepare("COMMIT");
	const saveMarks = db.prepare(writeMarks);
	const insert = db.prepare(
		`INSERT INTO payment (id, amount_cents, accepted_at_us, state, processor, requested_at_us, attempt, attempts,
			settled_at_us, due_at_ms, more) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
	);
	const update = db.prepare(
		`UPDATE payment SET state = ?, processor = ?, requested_at_us = ?, attempt = ?, attempts = ?, settled_at_us = ?,
			due_at_ms = ?, more = ? WHERE seq = ?`,
	);
	const get = db.prepare(`SELECT ${fields} FROM payment WHERE id = ?`);
	const open = db.prepare(
		`SELECT ${fields} FROM payment WHERE seq > ? AND seq <= ? AND state IN (${openStates}) ORDER BY seq LIMIT ?`,
	);
	const due = db.prepare(`SELECT ${fields} FROM payment WHERE due_at_ms <= ? ORDER BY due_at_ms LIMIT ?`);
	const nextDue = db.prepare("SELECT min(due_at_ms) AS due FROM payment WHERE due_at_ms IS NOT NULL");
	const parked = db.prepare(
		`SELECT ${fields} FROM payment INDEXED BY payment_due
			WHERE due_at_ms IS NOT NULL AND state = ${stateCode("parked")} AND seq > ? ORDER BY seq LIMIT ?`,
	);
	const forgotten = db.prepare("SELECT processor FROM forgotten WHERE id = ?");
	const remember = db.prepare("DELETE FROM forgotten WHERE id = ?");
	const forgetPinned = db.prepare(
		`INSERT OR REPLACE INTO forgotten SELECT id, processor FROM payment
			WHERE state <> ${stateCode("settled")} AND processor IS NOT NULL`,
	);
	const poll = db.prepare("SELECT poll_at_ms AS at FROM health WHERE processor = ?");
	const savePoll = db.prepare("UPDATE health SET poll_at_ms = ? WHERE processor = ?");
	const answers = db.prepare(
		"SELECT processor, reachable, failing, min_response_ms, at_us FROM health WHERE at_us IS NOT NULL",
	);
	const saveAnswer = db.prepare(
		"UPDATE health SET reachable = ?, failing = ?, min_response_ms = ?, at_us = ? WHERE processor = ?",
	);
	const marks = { ...db.prepare(readMarks).get() } as unknown as Marks;
	const rowsOf = (statement: StatementSync, ...values: (number | Uint8Array)[]) =>
		(statement.all(...values) as unknown as Columns[]).map(toRow);

	return {
		marks,
		begin: () => void begin.run(),
		commit() {
			rollup.flush();
			marks.commit++;
			saveMarks.run(
				marks.epoch,
				marks.boot,
				marks.commit,
				marks.doneUpTo,
				marks.leasedUpTo,
				marks.open,
				marks.inDoubt,
				marks.parked,
				marks.accepted,
				marks.settled,
				marks.flagged,
				marks.attempts,
				marks.retries,
			);
			commit.run();
		},
		async sync() {
			const synced = marks.commit;
			await syncFile(wal);
			highWater.write(synced);
		},
		insert(payment) {
			const id = paymentIdToBytes(payment.id);
			const { lastInsertRowid } = insert.run(id, payment.amountCents, payment.acceptedAtUs, ...toColumns(payment));
			return { seq: Number(lastInsertRowid), payment };
		},
		update: ({ seq, payment }) => void update.run(...toColumns(payment), seq),
		get(id) {
			const found = get.get(paymentIdToBytes(id)) as unknown as Columns | undefined;
			return found && toRow(found);
		},
		open: (after, upTo, max) => rowsOf(open, after, upTo, max),
		due: (nowMs, max) => rowsOf(due, nowMs, max),
		nextDueAtMs: () => (nextDue.get() as { due: number | null }).due ?? undefined,
		book: rollup.add,
		summary: rollup.summary,
		parked: (after, max) => rowsOf(parked, after, max),
		forgotten(id) {
			const found = forgotten.get(paymentIdToBytes(id)) as { processor: number } | undefined;
			return found && processors[found.processor];
		},
		remember: (id) => void remember.run(paymentIdToBytes(id)),
		forgetAll() {
			const keptInDoubt = Number(forgetPinned.run().changes);
			const { count } = db.prepare("SELECT count(*) AS count FROM payment").get() as { count: number };
			db.exec("DELETE FROM payment");
			rollup.clear();
			return { forgotten: count, keptInDoubt };
		},
		pollAtMs: (processor) => (poll.get(codeOf(processor)) as { at: number }).at,
		savePollAtMs: (processor, atMs) => void savePoll.run(atMs, codeOf(processor)),
		health: () => (answers.all() as unknown as HealthColumns[]).map(toHealth),
		saveHealth({ processor, reachable, failing, minResponseMs, atUs }) {
			saveAnswer.run(Number(reachable), Number(failing), minResponseMs, atUs, codeOf(processor));
		},
		close,
	};
}

const codeOf = (processor: Processor): number => processors.indexOf(processor);

interface HealthColumns {
	readonly processor: number;
	readonly reachable: number;
	readonly failing: number;
	readonly min_response_ms: number;
	readonly at_us: number;
}

function toHealth(row: HealthColumns): Health {
	return {
		processor: processors[row.processor] as Processor,
		reachable: row.reachable === 1,
		failing: row.failing === 1,
		minResponseMs: row.min_response_ms,
		atUs: row.at_us,
	};
}
