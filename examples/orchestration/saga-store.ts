// What the inventory has set out to do for each report, and how far it is: kept so that a crash forgets nothing.
//
// A saga is `pending` until all its commands are `done`: then it is `done`. When a command has `failed` for good, the saga is
// `compensating`: what was not sent is `dropped`, and commands are added that take back what the earlier ones did. When
// these are done it is `compensated`; when even one of these fails it is `failed`, and waits for a person.
import type { Database } from "../warehouse/database.ts";
import type { Stock } from "../warehouse/inventory.ts";

export const sagaSchema = `
	CREATE TABLE IF NOT EXISTS sagas (
		seq INTEGER PRIMARY KEY AUTOINCREMENT, report_id TEXT NOT NULL UNIQUE, sku TEXT NOT NULL,
		state TEXT NOT NULL DEFAULT 'pending', available INTEGER NOT NULL DEFAULT 0, revision INTEGER NOT NULL DEFAULT 0
	);
	CREATE INDEX IF NOT EXISTS unfinished ON sagas (seq) WHERE state IN ('pending', 'compensating');
	CREATE INDEX IF NOT EXISTS unfinished_by_sku ON sagas (sku, seq) WHERE state IN ('pending', 'compensating');
	CREATE TABLE IF NOT EXISTS commands (
		saga INTEGER NOT NULL REFERENCES sagas (seq), position INTEGER NOT NULL, name TEXT NOT NULL,
		state TEXT NOT NULL DEFAULT 'pending', attempts INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
		PRIMARY KEY (saga, position)
	) WITHOUT ROWID;`;

export type SagaState = "pending" | "done" | "compensating" | "compensated" | "failed";
export type CommandState = "pending" | "done" | "failed" | "dropped";

export interface Saga {
	readonly seq: number;
	readonly reportId: string;
	readonly sku: string;
	readonly state: SagaState;
	readonly stock: Stock;
}

export interface Command {
	readonly saga: number;
	readonly position: number;
	readonly name: string;
	readonly state: CommandState;
	readonly attempts: number;
	readonly error: string;
}

export interface SagaStore {
	/** To be called in a transaction. */
	begin(reportId: string, sku: string, commands: readonly string[]): void;
	/** Adds commands to those that it has; to be called in a transaction. */
	append(saga: number, commands: readonly string[]): void;
	/** Unfinished ones, the oldest first, and of each SKU only its oldest. */
	next(max: number): Saga[];
	unfinished(): number;
	find(reportId: string): Saga | undefined;
	commands(saga: number): Command[];
	attempt(command: Command): void;
	/** Before the next attempt. */
	note(command: Command, error: string): void;
	end(command: Command, state: CommandState, error: string): void;
	/** What is pending is not sent any more. */
	drop(saga: number): void;
	learn(saga: number, stock: Stock): void;
	enter(saga: number, state: SagaState): void;
}

interface SagaRow extends Omit<Saga, "stock">, Stock {}

const columns = "seq, report_id AS reportId, sku, state, available, revision";
const open = "state IN ('pending', 'compensating')";

export function createSagaStore({ sql }: Database): SagaStore {
	const begin = sql.prepare("INSERT INTO sagas (report_id, sku) VALUES (?, ?) RETURNING seq");
	const add = sql.prepare(`INSERT INTO commands (saga, position, name)
		SELECT $saga, (SELECT count(*) FROM commands WHERE saga = $saga), $name`);
	const next = sql.prepare(`SELECT ${columns} FROM sagas WHERE ${open} AND NOT EXISTS (
		SELECT 1 FROM sagas AS earlier WHERE earlier.sku = sagas.sku AND earlier.seq < sagas.seq AND earlier.${open}
	) ORDER BY seq LIMIT ?`);
	const unfinished = sql.prepare(`SELECT count(*) AS sagas FROM sagas WHERE ${open}`);
	const find = sql.prepare(`SELECT ${columns} FROM sagas WHERE report_id = ?`);
	const commands = sql.prepare("SELECT * FROM commands WHERE saga = ? ORDER BY position");
	const attempt = sql.prepare("UPDATE commands SET attempts = attempts + 1 WHERE saga = ? AND position = ?");
	const note = sql.prepare("UPDATE commands SET error = ? WHERE saga = ? AND position = ?");
	const end = sql.prepare("UPDATE commands SET state = ?, error = ? WHERE saga = ? AND position = ?");
	const drop = sql.prepare("UPDATE commands SET state = 'dropped' WHERE saga = ? AND state = 'pending'");
	const learn = sql.prepare("UPDATE sagas SET available = ?, revision = ? WHERE seq = ?");
	const enter = sql.prepare("UPDATE sagas SET state = ? WHERE seq = ?");

	function append(saga: number, names: readonly string[]): void {
		for (const name of names) add.run({ $saga: saga, $name: name });
	}
	return {
		begin(reportId, sku, names) {
			const { seq } = begin.get(reportId, sku) as { seq: number };
			append(seq, names);
		},
		append,
		next: (max) => (next.all(max) as unknown as SagaRow[]).map(toSaga),
		unfinished: () => (unfinished.get() as { sagas: number }).sagas,
		find(reportId) {
			const row = find.get(reportId) as unknown as SagaRow | undefined;
			return row && toSaga(row);
		},
		commands: (saga) => commands.all(saga) as unknown as Command[],
		attempt: ({ saga, position }) => void attempt.run(saga, position),
		note: ({ saga, position }, error) => void note.run(error, saga, position),
		end: ({ saga, position }, state, error) => void end.run(state, error, saga, position),
		drop: (saga) => void drop.run(saga),
		learn: (saga, { available, revision }) => void learn.run(available, revision, saga),
		enter: (saga, state) => void enter.run(state, saga),
	};
}

function toSaga({ available, revision, ...saga }: SagaRow): Saga {
	return { ...saga, stock: { available, revision } };
}
