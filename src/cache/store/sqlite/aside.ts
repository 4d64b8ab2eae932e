// What is asked of the payments aside (in doubt, parked, given up), each by an index that leads to the rows it wants,
// however many others wait.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { limited } from "./limited.ts";
import { fields, named, stateCode } from "./record.ts";

const from = "FROM payment INDEXED BY payment_aside WHERE";
/** As the index's own condition says it, or SQLite would not use the index. */
const aside = "(state = 2 OR state = 3 OR state = 5)";
const inDoubt = `state = ${stateCode("in_doubt")}`;
const parked = `state = ${stateCode("parked")}`;

/** Each with its parameters, in their order. */
export interface AsideStatements {
	/** Processor and time, the same again, and how many. */
	readonly due: StatementSync;
	/** Processor, the same again, and how many. */
	readonly dueLast: StatementSync;
	/** Processor, and how many. */
	readonly inDoubt: StatementSync;
	/** Place, and how many. */
	readonly parked: StatementSync;
	/** Puts the ids of all on the list of those that a purge forgot. */
	readonly keep: StatementSync;
}

export function prepareAside(db: DatabaseSync): AsideStatements {
	return {
		due: db.prepare(dues("due_at_ms <= ?", "ASC")),
		dueLast: db.prepare(dues("due_at_ms IS NOT NULL", "DESC")),
		inDoubt: db.prepare(
			`SELECT ${fields}, ${named} ${from} ${inDoubt} AND processor = ? ORDER BY due_at_ms DESC, seq DESC ${limited}`,
		),
		parked: db.prepare(
			`SELECT ${fields}, ${named} FROM payment INDEXED BY payment_parked WHERE ${parked} AND seq > ? ORDER BY seq ${limited}`,
		),
		keep: db.prepare(`INSERT OR REPLACE INTO forgotten SELECT id, processor ${from} ${aside}`),
	};
}

/** Each state is in order in the index; SQLite merges the two, and reads no more of them than it gives. */
function dues(bound: string, order: "ASC" | "DESC"): string {
	const of = (state: string) => `SELECT id, due_at_ms, seq ${from} ${state} AND processor = ? AND ${bound}`;
	return `${of(inDoubt)} UNION ALL ${of(parked)} ORDER BY due_at_ms ${order}, seq ${order} ${limited}`;
}
