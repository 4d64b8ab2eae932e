// Databases of earlier versions: opened, brought up to date, and with all that they promised.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { openSqliteRows } from "../../../../src/cache/store/sqlite/rows.ts";
import * as life from "../../../../src/payment/life.ts";
import { type Processor, processors } from "../../../../src/payment/payment.ts";
import { temporaryFolder } from "../media.ts";
import { idOf, startUs } from "../payments.ts";
import { change } from "../rows-contract.ts";

const nosync = { fdatasync: async () => {} };

/** What each later version added, undone; the oldest comes last. */
const undoAside = `
	DROP INDEX payment_parked;
	DROP INDEX payment_aside;
	CREATE INDEX payment_aside ON payment (due_at_ms) WHERE state = 2 OR state = 3 OR state = 5;
	PRAGMA user_version = 3;
`;
const undoTotals = `
	CREATE TABLE rollup (
		level INTEGER NOT NULL, bucket INTEGER NOT NULL,
		count INTEGER NOT NULL, cents_low INTEGER NOT NULL, cents_high INTEGER NOT NULL,
		PRIMARY KEY (level, bucket)
	) STRICT, WITHOUT ROWID;
	INSERT INTO rollup SELECT processor * 16 + level + (level > 0), bucket, count, cents_low, cents_high FROM total;
	INSERT INTO rollup SELECT processor * 16 + 1, bucket >> 12, sum(count), sum(cents_low), sum(cents_high)
		FROM total WHERE level = 0 GROUP BY processor, bucket >> 12;
	DROP TABLE total;
	PRAGMA user_version = 2;
`;
const undoEvents = `
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
	for (const undo of [undoAside, undoTotals, undoEvents]) db.exec(undo);
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

test("a ledger from before the levels were fewer says the same for every window, and is checked before it is changed", async () => {
	const folder = temporaryFolder();
	const file = join(folder, "payments.db");
	const undo = () => {
		const db = new DatabaseSync(file);
		for (const undo of [undoAside, undoTotals]) db.exec(undo);
		return db;
	};
	let rows = await openSqliteRows(folder, nosync);
	// From the same millisecond to years apart.
	const moments = Array.from({ length: 60 }, (_, i) => startUs + Math.floor(1.9 ** i) * 1_000).filter(
		(us) => us < 2 ** 52,
	);
	await change(rows, () => {
		for (const [i, requestedAtUs] of moments.entries())
			rows.book({ processor: i % 3 === 0 ? "fallback" : "default", amountCents: 2n ** 31n + BigInt(i), requestedAtUs });
	});
	const windows = moments.flatMap((fromUs) => moments.map((toUs) => ({ fromUs, toUs })));
	const told = () => windows.map((window) => rows.summary(window).totals);
	const before = told();
	rows.close();
	undo().close();
	rows = await openSqliteRows(folder, nosync);
	expect(told()).toEqual(before);
	rows.close();

	const db = undo();
	db.exec(
		"UPDATE rollup SET count = count + 1 WHERE (level = 1 AND bucket = (SELECT min(bucket) FROM rollup WHERE level = 1))",
	);
	db.close();
	await expect(openSqliteRows(folder, nosync)).rejects.toThrow(/totals do not add up/);
});

test("payments aside from before they were found by state and processor come as before, and no index is left over", async () => {
	const folder = temporaryFolder();
	const nowMs = startUs / 1000;
	const giveUp = { decision: "give_up", who: "an operator", why: "refunded", atUs: startUs } as const;
	const everything = Number.MAX_SAFE_INTEGER;
	let rows = await openSqliteRows(folder, nosync);
	await change(rows, () => {
		const aside = (n: number, processor: Processor, state: "in_doubt" | "parked", dueInMs: number) => {
			const payment = life.acceptInDoubt(idOf(n), 5n, processor, nowMs);
			return rows.insert({ ...payment, state, dueAtMs: nowMs + dueInMs + 0.5 });
		};
		aside(1, "default", "parked", 40);
		aside(2, "default", "in_doubt", 30);
		aside(3, "fallback", "in_doubt", 20);
		aside(4, "default", "in_doubt", 50);
		aside(5, "fallback", "parked", 10);
		const { seq, payment } = aside(6, "default", "parked", 60);
		rows.update({ seq, payment: life.resolve(payment, giveUp, undefined)! });
		rows.insert(life.accept(idOf(7), 5n, startUs));
	});
	const placeOf = ({ id }: { readonly id: string }) => rows.get(id)?.seq;
	const told = () => ({
		due: processors.map((processor) => rows.due(processor, everything, 9).map(placeOf)),
		dueLast: processors.map((processor) => rows.dueLast(processor, 9).map(placeOf)),
		inDoubt: processors.map((processor) => rows.inDoubt(processor, 9)),
		parked: rows.parked(0, 9),
		open: rows.open(0, everything, 9),
	});
	const before = told();
	expect(before.due).toEqual([
		[2, 1, 4],
		[5, 3],
	]);
	rows.close();
	const schema = () => {
		const db = new DatabaseSync(join(folder, "payments.db"));
		const found = db.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").all();
		db.close();
		return found;
	};
	const ofNew = schema();
	const db = new DatabaseSync(join(folder, "payments.db"));
	db.exec(undoAside);
	db.close();
	expect(schema()).not.toEqual(ofNew);

	// The first start brings it up to date, the second looks whether it is whole.
	for (let start = 0; start < 2; start++) {
		rows = await openSqliteRows(folder, nosync);
		expect(told()).toEqual(before);
		if (start === 1) expect(await change(rows, () => rows.forgetAll())).toEqual({ forgotten: 7, keptInDoubt: 6 });
		rows.close();
		expect(schema()).toEqual(ofNew);
	}
});
