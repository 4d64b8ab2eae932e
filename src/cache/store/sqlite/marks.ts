// The marks as the one row of a table, rewritten with every commit.
import type { DatabaseSync } from "node:sqlite";
import { Refusal } from "../../../refusal.ts";
import type { Marks } from "../rows.ts";
import { sumOf } from "./sum.ts";

/** Columns by field; the order is that of the check sum. */
const columns = {
	epoch: "epoch",
	boot: "boot",
	commit: "commits",
	doneUpTo: "done_up_to",
	leasedUpTo: "leased_up_to",
	open: "open",
	inDoubt: "in_doubt",
	parked: "parked",
	accepted: "accepted",
	settled: "settled",
	flagged: "flagged",
	attempts: "attempts",
	retries: "retries",
} as const satisfies Record<keyof Marks, string>;

const fields = Object.keys(columns) as (keyof typeof columns)[];
const valuesOf = (marks: Marks): number[] => fields.map((field) => marks[field]);

/** Throws a Refusal where the row is not what was written. */
export function readMarks(db: DatabaseSync, file: string): Marks {
	const selected = fields.map((field) => `${columns[field]} AS "${field}"`).join(", ");
	const found = db.prepare(`SELECT ${selected}, sum FROM marks`).get() as unknown as
		| (Marks & { sum: number })
		| undefined;
	if (!found || found.sum !== sumOf(valuesOf(found))) throw new Refusal(`${file} is damaged: its marks do not add up`);
	const { sum: _, ...marks } = found;
	return marks;
}

export function prepareSaveMarks(db: DatabaseSync): (marks: Marks) => void {
	const assigned = fields.map((field) => `${columns[field]} = ?`).join(", ");
	const save = db.prepare(`UPDATE marks SET ${assigned}, sum = ?`);
	return (marks) => {
		const values = valuesOf(marks);
		save.run(...values, sumOf(values));
	};
}
