// Rows in SQLite: one file in a folder, one owner, every commit on disk before it is spoken of.
import { fdatasync } from "node:fs";
import type { StatementSync } from "node:sqlite";
import { promisify } from "node:util";
import { type Processor, paymentIdFromBytes, paymentIdToBytes, processors } from "../../../payment/payment.ts";
import type { Due, Row, Rows } from "../rows.ts";
import type { Health } from "../store.ts";
import { prepareAside } from "./aside.ts";
import { createCheckpoints } from "./checkpoint.ts";
import { condemn } from "./inspect.ts";
import { limited } from "./limited.ts";
import { prepareSaveMarks } from "./marks.ts";
import { openDatabase } from "./open.ts";
import { createOutbox } from "./outbox.ts";
import { createQuickSync } from "./quick-sync.ts";
import { type Columns, fields, isIntact, named, stateCode, toColumns, toRow } from "./record.ts";
import { createRollup } from "./rollup.ts";
import { storeIdOf } from "./schema.ts";
import { isSqliteError } from "./sqlite-error.ts";

export interface SqliteOptions {
	/** Makes what was written to a descriptor safe; a port for tests of a disk that fails. */
	readonly fdatasync?: (fd: number) => Promise<void>;
}

const openStates = [stateCode("accepted"), stateCode("in_flight")].join();

/** Throws a Refusal where the folder is in use, or its database is damaged, newer, or has lost commits. */
export async function openSqliteRows(folder: string, options: SqliteOptions = {}): Promise<Rows> {
	const { db, file, marks, wal, main, highWater, close, abandon } = openDatabase(folder);
	const syncApart = options.fdatasync ?? promisify(fdatasync);
	const syncLog = options.fdatasync ?? createQuickSync(syncApart);
	const rollup = createRollup(db);
	const outbox = createOutbox(db, (seq) => condemn(file, `event ${seq}`));
	const aside = prepareAside(db);
	const begin = db.prepare("BEGIN IMMEDIATE");
	const commit = db.prepare("COMMIT");
	const saveMarks = prepareSaveMarks(db);
	const checkpoints = createCheckpoints(db);
	let ended = false;
	/** The log was written back, and the database is not synced since: the log must stay as it is. */
	let unsafe = false;
	const insert = db.prepare(
		`INSERT INTO payment (id, amount_cents, accepted_at_us, state, processor, requested_at_us, attempt, attempts,
			settled_at_us, due_at_ms, more, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
	);
	const update = db.prepare(
		`UPDATE payment SET state = ?, processor = ?, requested_at_us = ?, attempt = ?, attempts = ?, settled_at_us = ?,
			due_at_ms = ?, more = ?, sum = ? WHERE seq = ?`,
	);
	// The check sum leaves the id to its index. Asked for by id alone, SQLite would answer with the index's copy, unchecked.
	const get = db.prepare(`SELECT ${fields} FROM payment WHERE seq = (SELECT seq FROM payment WHERE id = ?)`);
	const open = db.prepare(
		`SELECT ${fields}, ${named} FROM payment
			WHERE seq > ? AND seq <= ? AND state IN (${openStates}) ORDER BY seq ${limited}`,
	);
	const forgotten = db.prepare("SELECT processor FROM forgotten WHERE id = ?");
	const dropForgotten = db.prepare("DELETE FROM forgotten WHERE id = ?");
	const keepInFlight = db.prepare(
		`INSERT OR REPLACE INTO forgotten SELECT id, processor FROM payment
			WHERE seq > ? AND seq <= ? AND state = ${stateCode("in_flight")}`,
	);
	const newest = db.prepare("SELECT max(seq) AS seq FROM payment");
	const poll = db.prepare("SELECT poll_at_ms AS at FROM health WHERE processor = ?");
	const savePoll = db.prepare("UPDATE health SET poll_at_ms = ? WHERE processor = ?");
	const answers = db.prepare(
		"SELECT processor, reachable, failing, min_response_ms, at_us FROM health WHERE at_us IS NOT NULL",
	);
	const saveAnswer = db.prepare(
		"UPDATE health SET reachable = ?, failing = ?, min_response_ms = ?, at_us = ? WHERE processor = ?",
	);
	const rowsOf = (statement: StatementSync, ...values: (number | Uint8Array)[]) =>
		read(() => statement.all(...values) as unknown as Columns[]).map(rowOf);
	/** For a query of two halves, one for payments in doubt and one for parked ones: `which` are the parameters of each. */
	const duesOf = (statement: StatementSync, max: number, ...which: number[]): Due[] =>
		read(() => statement.all(...which, ...which, max) as unknown as DueColumns[]).map(toDue);
	/** What SQLite or the runtime cannot even read is damaged, too. */
	function judge(error: unknown): unknown {
		return isSqliteError(error, "corrupt", "outOfRange") ? condemn(file, "a page") : error;
	}
	function read<T>(query: () => T): T {
		try {
			return query();
		} catch (error) {
			throw judge(error);
		}
	}
	function rowOf(columns: Columns & { readonly named?: number | null }): Row {
		const { seq, named = seq } = columns;
		if (named !== seq || !isIntact(columns)) throw condemn(file, `payment ${seq}`);
		return toRow(columns);
	}

	return {
		...outbox,
		storeId: read(() => storeIdOf(db)),
		marks,
		begin() {
			if (unsafe) throw new Error("a transaction cannot begin while the database is being synced");
			begin.run();
		},
		commit() {
			rollup.flush();
			marks.commit++;
			saveMarks(marks);
			commit.run();
		},
		async sync() {
			const synced = marks.commit;
			try {
				await syncLog(wal);
				highWater.write(synced);
				if (!checkpoints.afterSync()) return;
				unsafe = true;
				await Promise.all([syncApart(main), highWater.sync()]);
				unsafe = false;
			} catch (error) {
				// Closed in the meantime, it lacks its files.
				if (!ended) abandon();
				ended = true;
				throw error;
			}
		},
		insert(payment) {
			const id = paymentIdToBytes(payment.id);
			const { lastInsertRowid } = insert.run(id, payment.amountCents, payment.acceptedAtUs, ...toColumns(payment));
			return { seq: Number(lastInsertRowid), payment };
		},
		update: ({ seq, payment }) => void update.run(...toColumns(payment), seq),
		get(id) {
			const found = read(() => get.get(paymentIdToBytes(id)) as unknown as Columns | undefined);
			const row = found && rowOf(found);
			if (row && row.payment.id !== id) throw condemn(file, `payment ${row.seq}`);
			return row;
		},
		open: (after, upTo, max) => rowsOf(open, after, upTo, max),
		due: (processor, nowMs, max) => duesOf(aside.due, max, codeOf(processor), nowMs),
		dueLast: (processor, max) => duesOf(aside.dueLast, max, codeOf(processor)),
		inDoubt: (processor, max) => rowsOf(aside.inDoubt, codeOf(processor), max),
		book: rollup.add,
		summary: rollup.summary,
		parked: (after, max) => rowsOf(aside.parked, after, max),
		forgotten(id) {
			const found = forgotten.get(paymentIdToBytes(id)) as { processor: number } | undefined;
			return found && processors[found.processor];
		},
		dropForgotten: (id) => void dropForgotten.run(paymentIdToBytes(id)),
		forgetAll() {
			// The marks say where payments in flight can be; nothing here reads the settled ones.
			const inFlight = keepInFlight.run(marks.doneUpTo, marks.leasedUpTo).changes;
			const keptInDoubt = Number(inFlight) + Number(aside.keep.run().changes);
			// Places in the order are never left out, so the last one is their number.
			const forgotten = (newest.get() as { seq: number | null }).seq ?? 0;
			db.exec("DELETE FROM payment");
			rollup.clear();
			return { forgotten, keptInDoubt };
		},
		pollAtMs: (processor) => read(() => poll.get(codeOf(processor)) as { at: number }).at,
		savePollAtMs: (processor, atMs) => void savePoll.run(atMs, codeOf(processor)),
		health: () => (answers.all() as unknown as HealthColumns[]).map(toHealth),
		saveHealth({ processor, reachable, failing, minResponseMs, atUs }) {
			saveAnswer.run(Number(reachable), Number(failing), minResponseMs, atUs, codeOf(processor));
		},
		contradiction: (what) => condemn(file, what),
		judge,
		close() {
			// Closing may remove the log.
			if (!ended) (unsafe ? abandon : close)();
			ended = true;
		},
	};
}

const codeOf = (processor: Processor): number => processors.indexOf(processor);

interface DueColumns {
	readonly id: Uint8Array;
	readonly due_at_ms: number;
}

const toDue = (row: DueColumns): Due => ({ id: paymentIdFromBytes(row.id), dueAtMs: row.due_at_ms });

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
