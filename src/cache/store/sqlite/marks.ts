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
	eventSeq: "event_seq",
	eventsForgotten: "events_forgotten",
} as const satisfies Record<keyof Marks, string>;

const fields = Object.keys(columns) as (keyof typeof columns)[];
const valuesOf = (marks: Marks): number[] => fields.map((field) => marks[field]);

/**
 * Throws a Refusal where the row is not what was written. A database of an earlier version lacks the last columns: they
 * count as zero, which adds nothing to the sum.
 */
export function readMarks(db: DatabaseSync, file: string): Marks {
	const found = db.prepare("SELECT * FROM marks").get() as Readonly<Record<string, number>> | undefined;
	const marks = Object.fromEntries(fields.map((field) => [field, found?.[columns[field]] ?? 0])) as unknown as Marks;
	if (found?.sum !== sumOf(valuesOf(marks))) throw new Refusal(`${file} is damaged: its marks do not add up`);
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
