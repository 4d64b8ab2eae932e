// Databases of earlier versions: opened, brought up to date, and with all that they promised.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { openSqliteRows } from "../../../../src/cache/store/sqlite/rows.ts";
import * as life from "../../../../src/payment/life.ts";
import { temporaryFolder } from "../media.ts";
import { idOf, startUs } from "../payments.ts";
import { change } from "../rows-contract.ts";

const nosync = { fdatasync: async () => {} };

/** What each later version added, undone. */
const undo = `
	DROP TABLE outbox;
	DROP TABLE store;
	ALTER TABLE marks DROP COLUMN event_seq;
	ALTER TABLE marks DROP COLUMN events_forgotten;
	PRAGMA user_version = 1;
`;

test("a database from before there were events has its payments, marks and ledger, and room for events", async () => {
	const folder = temporaryFolder();
	let rows = await openSqliteRows(folder, nosync);
	const charge = { processor: "default", amountCents: 5n, requestedAtUs: startUs } as const;
	await change(rows, () => {
		rows.insert(life.accept(idOf(1), 5n, startUs));
		rows.book(charge);
		Object.assign(rows.marks, { epoch: 3, open: 1, accepted: 1 });
	});
	const { marks } = rows;
	rows.close();
	const db = new DatabaseSync(join(folder, "payments.db"));
	db.exec(undo);
	db.close();

	rows = await openSqliteRows(folder, nosync);
	expect(rows.marks).toEqual({ ...marks, boot: marks.boot + 1, eventSeq: 0, eventsForgotten: 0 });
	expect(rows.get(idOf(1))?.payment.amountCents).toBe(5n);
	expect(rows.summary({}).totals.default).toEqual({ count: 1n, amountCents: 5n });
	const event = { seq: 1, type: "payment.accepted", paymentId: idOf(1), timeUs: startUs } as const;
	const { storeId } = rows;
	await change(rows, () => {
		rows.marks.eventSeq = 1;
		rows.announce(event);
	});
	rows.close();
	rows = await openSqliteRows(folder, nosync);
	expect([rows.outbox(0, 9, 9), rows.storeId]).toEqual([[event], storeId]);
	rows.close();
});
