// Files that were damaged, cut, mixed up or lost: the store refuses to start and says why, or has all that it promised.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { beforeAll, describe, expect, test } from "vitest";
import { createStore } from "../../../../src/cache/store/group-commit.ts";
import type { Row, Rows } from "../../../../src/cache/store/rows.ts";
import { openSqliteRows } from "../../../../src/cache/store/sqlite/rows.ts";
import { type Job, type Store, StoreFailed } from "../../../../src/cache/store/store.ts";
import type { PaymentEvent } from "../../../../src/payment/event.ts";
import * as life from "../../../../src/payment/life.ts";
import { type Processor, paymentIdToBytes, processors } from "../../../../src/payment/payment.ts";
import { Refusal } from "../../../../src/refusal.ts";
import { createFakeClock } from "../../../fake-clock.ts";
import { createPrng } from "../../../prng.ts";
import { isLong } from "../../../system/conditions.ts";
import { copyStore, temporaryFolder } from "../media.ts";
import { doubt, idOf, startUs } from "../payments.ts";
import { change } from "../rows-contract.ts";
import { storeSettings } from "../store-settings.ts";

const count = 240;
const cases = isLong ? 4_000 : 300;
const nosync = { fdatasync: async () => {} };
const fileNames = ["payments.db", "payments.db-wal", "high-water"] as const;

interface Files {
	readonly bytes: ReadonlyMap<string, Uint8Array>;
	readonly rows: readonly Row[];
	readonly forgotten: ReadonlyMap<string, Processor>;
	readonly events: readonly PaymentEvent[];
	readonly totals: unknown;
}

describe("a damaged store", () => {
	/** Half of it written back into the database, half of it in the log. */
	let files: Files;
	beforeAll(async () => {
		const folder = temporaryFolderOfSuite();
		await fill(await openSqliteRows(folder, nosync), 1, count / 2).then((rows) => rows.close());
		const rows = await fill(await openSqliteRows(folder, nosync), count / 2 + 1, count);
		files = read(folder, rows);
		rows.close();
		rmSync(folder, { recursive: true });
	});

	test(`is refused, or has everything, whatever ${cases} faults at random places do to it`, {
		timeout: 120_000,
	}, async () => {
		const outcomes = { refused: 0, whole: 0 };
		for (let seed = 1; seed <= cases; seed++) {
			const [name, bytes] = spoil(files, createPrng(seed).below);
			const folder = temporaryFolder();
			write(folder, new Map([...files.bytes, [name, bytes]]));
			outcomes[await judge(folder, files, `seed ${seed}, ${name}`)]++;
			rmSync(folder, { recursive: true });
		}
		expect(outcomes.refused).toBeGreaterThan(cases / 4);
		expect(outcomes.whole).toBeGreaterThan(0);
	});

	test("is refused in each page of the log that is damaged, and told that commits are lost", async () => {
		const wal = files.bytes.get("payments.db-wal")!;
		const frameBytes = 4096 + 24;
		for (let at = 32; at < wal.length; at += frameBytes * 7) {
			const folder = temporaryFolder();
			write(folder, new Map([...files.bytes, ["payments.db-wal", flipped(wal, (at + 100) * 8 + 3)]]));
			await expect(openSqliteRows(folder, nosync)).rejects.toThrow(
				/has lost commits: it ends at \d+, but \d+ were promised/,
			);
		}
	});

	test.each<readonly [string, Readonly<Record<string, Uint8Array | undefined>>, RegExp]>([
		["without its log", { "payments.db-wal": undefined }, /has lost commits/],
		["with an empty log", { "payments.db-wal": new Uint8Array() }, /has lost commits/],
		["without its database", { "payments.db": undefined }, /is missing or empty, but it was in use/],
		["with an empty database", { "payments.db": new Uint8Array() }, /is missing or empty, but it was in use/],
		["with a database that is none", { "payments.db": randomBytes(8192) }, /payments\.db is damaged/],
		["with a mark that is none", { "high-water": new TextEncoder().encode("12 12\n") }, /high-water is damaged/],
		["with an empty mark", { "high-water": new Uint8Array() }, /high-water is damaged/],
	])("%s is refused with a message that says so, and left as it was found", async (_, changed, message) => {
		const folder = temporaryFolder();
		const bytes = new Map(files.bytes);
		for (const [name, changedBytes] of Object.entries(changed))
			if (changedBytes) bytes.set(name, changedBytes);
			else bytes.delete(name);
		write(folder, bytes);
		await expect(openSqliteRows(folder, nosync)).rejects.toThrow(Refusal);
		await expect(openSqliteRows(folder, nosync)).rejects.toThrow(message);
		for (const name of fileNames) {
			const left = existsSync(join(folder, name)) ? readFileSync(join(folder, name)) : Buffer.of();
			// SQLite makes an empty log even for those who only read.
			expect(left.equals(bytes.get(name) ?? Buffer.of()), name).toBe(true);
		}
	});

	test("is refused in words that say so once", async () => {
		const folder = temporaryFolder();
		write(folder, new Map([["payments.db", randomBytes(8192)]]));
		await expect(openSqliteRows(folder, nosync)).rejects.toThrow(/^\S+ is damaged: file is not a database$/);
	});

	test("is refused where something else has its name", async () => {
		const folder = temporaryFolder();
		mkdirSync(join(folder, "payments.db"));
		await expect(openSqliteRows(folder, nosync)).rejects.toThrow(Refusal);
		await expect(openSqliteRows(folder, nosync)).rejects.toThrow(/payments\.db is no file/);
	});

	test("starts without its mark, as an operator may decide who removed it", async () => {
		const folder = temporaryFolder();
		write(folder, new Map([...files.bytes].filter(([name]) => name !== "high-water")));
		expect(await judge(folder, files, "no mark")).toBe("whole");
	});

	test("is refused where an older copy of the database was put back", async () => {
		const folder = temporaryFolder();
		const rows = await openSqliteRows(folder, nosync);
		await fill(rows, 1, 3);
		rows.close();
		write(folder, new Map([["high-water", files.bytes.get("high-water")!]]));
		await expect(openSqliteRows(folder, nosync)).rejects.toThrow(/has lost commits/);
	});

	test("has all that was acknowledged where the end of its log, which was not, is cut off anywhere", async () => {
		const folder = temporaryFolder();
		let stuck = false;
		const rows = await openSqliteRows(folder, { fdatasync: () => (stuck ? new Promise(() => {}) : Promise.resolve()) });
		await fill(rows, 1, 20);
		const promised = read(folder, rows);
		stuck = true;
		void fill(rows, 21, 24);
		const walName = "payments.db-wal";
		const longer = readFileSync(join(folder, walName));
		rows.close();
		const keep = promised.bytes.get(walName)!.length;
		expect(longer.length).toBeGreaterThan(keep);
		for (let length = keep; length <= longer.length; length += 1_021) {
			const cut = temporaryFolder();
			write(cut, new Map([...promised.bytes, [walName, longer.subarray(0, length)]]));
			expect(await judge(cut, promised, `cut to ${length}`)).toBe("whole");
		}
	});
});

describe("a payment that is damaged in a database too large to be checked at each start", () => {
	const damaged = /payments\.db is damaged: payment 2 is not what was written; restore it/;

	/** In the payment's own row: an `UPDATE` would change the index with it. */
	function flipId(folder: string): void {
		const file = join(folder, "payments.db");
		const whole = readFileSync(file);
		const [id, other] = [idOf(2), idOf(2 ** 40)].map((text) => Buffer.from(paymentIdToBytes(text)));
		for (let at = whole.indexOf(id!); at >= 0; at = whole.indexOf(id!, at + 1)) {
			writeFileSync(file, Buffer.concat([whole.subarray(0, at), other!, whole.subarray(at + 16)]));
			const db = new DatabaseSync(file, { readOnly: true });
			const found = db.prepare("SELECT 1 FROM payment WHERE seq = 2 AND +id = ?").get(other!);
			db.close();
			if (found) return;
		}
		throw new Error("the payment's row was not found");
	}

	const waiting = (n: number) => life.accept(idOf(n), BigInt(n), startUs + n);
	const inDoubt = (n: number) => life.acceptInDoubt(idOf(n), BigInt(n), "default", startUs / 1000);
	const parked = (n: number): life.Payment => ({ ...inDoubt(n), state: "parked" });

	async function damagedStore(
		how: string | typeof flipId = "UPDATE payment SET amount_cents = 3 WHERE seq = 2",
		payment = waiting,
	) {
		const folder = temporaryFolder();
		const rows = await openSqliteRows(folder, nosync);
		await change(rows, () => {
			for (let n = 1; n <= 3; n++) rows.insert(payment(n));
		});
		rows.close();
		alter(folder, "CREATE TABLE ballast AS SELECT zeroblob(7 * 1024 * 1024) AS bytes");
		if (typeof how === "string") alter(folder, how);
		else how(folder);
		return { folder, rows: await openSqliteRows(folder, nosync) };
	}

	test.each<readonly [string, (rows: Rows) => unknown]>([
		["asked for", (rows) => rows.get(idOf(2))],
		["given out", (rows) => rows.open(0, 10, 10)],
	])("ends the store when it is %s, and every start is refused until it is put right", async (_, touch) => {
		const { folder, rows } = await damagedStore();
		expect(rows.get(idOf(1))?.payment.amountCents).toBe(1n);
		expect(() => touch(rows)).toThrow(Refusal);
		expect(() => touch(rows)).toThrow(damaged);
		rows.close();
		for (let start = 0; start < 2; start++)
			await expect(openSqliteRows(folder, nosync), "not once more until it is read").rejects.toThrow(damaged);
		alter(folder, "UPDATE payment SET amount_cents = 2 WHERE seq = 2");
		for (let start = 0; start < 2; start++) {
			const restored = await openSqliteRows(folder, nosync);
			expect(restored.get(idOf(2))?.payment.amountCents).toBe(2n);
			restored.close();
		}
	});

	test("is noticed also where a number has become one that cannot be read", async () => {
		const { folder, rows } = await damagedStore(`UPDATE payment SET accepted_at_us = ${2n ** 62n} WHERE seq = 2`);
		for (const touch of [() => rows.get(idOf(2)), () => rows.open(0, 10, 10)]) expect(touch).toThrow(/is damaged/);
		rows.close();
		await expect(openSqliteRows(folder, nosync)).rejects.toThrow(/is damaged/);
	});

	test.each<readonly [string, typeof waiting, (rows: Rows) => unknown]>([
		["asked for", waiting, (rows) => rows.get(idOf(2))],
		["given out", waiting, (rows) => rows.open(0, 10, 10)],
		["hastened", inDoubt, (rows) => rows.inDoubt("default", 10)],
		["shown to who decides on it", parked, (rows) => rows.parked(0, 10)],
	])("is noticed also where its id has become another one, when it is %s", async (_, payment, touch) => {
		const { folder, rows } = await damagedStore(flipId, payment);
		expect(rows.get(idOf(1))?.payment.amountCents).toBe(1n);
		expect(() => touch(rows)).toThrow(damaged);
		rows.close();
		await expect(openSqliteRows(folder, nosync)).rejects.toThrow(/is damaged/);
	});

	test("is noticed also where its id has become another one, when it is due", async () => {
		const { folder, rows } = await damagedStore(flipId, inDoubt);
		rows.marks.inDoubt = 3;
		const store = createStore(rows, storeSettings, { clock: createFakeClock(startUs / 1000) });
		await expect(store.lease("a", "default", 3)).rejects.toMatchObject({ cause: expect.any(Refusal) });
		await store.close();
		for (let start = 0; start < 2; start++) await expect(openSqliteRows(folder, nosync)).rejects.toThrow(/is damaged/);
	});

	test("fails the store with a refusal as its cause, which says what to do", async () => {
		const { rows } = await damagedStore();
		const store = createStore(rows, storeSettings, { clock: createFakeClock() });
		const failed = await store.payment(idOf(2)).then(undefined, (error: unknown) => error);
		expect(failed).toBeInstanceOf(StoreFailed);
		expect((failed as StoreFailed).cause).toBeInstanceOf(Refusal);
		await expect(store.enqueue([{ id: idOf(9), amountCents: 1n }]), "nothing is promised any more").rejects.toBe(
			failed,
		);
		await store.close();
	});
});

describe("a page that is damaged in a database too large to be looked through at each start", () => {
	const settings = { ...storeSettings, events: true };
	const clock = createFakeClock(startUs / 1000);
	const payment = (n: number) => ({ id: idOf(n), amountCents: 1n });

	async function openStore(folder: string): Promise<Store> {
		return createStore(await openSqliteRows(folder, nosync), settings, { clock, paceMs: 0 });
	}

	async function now<T>(answer: Promise<T>): Promise<T> {
		void Promise.allSettled([answer]);
		await clock.advance(1);
		return answer;
	}

	/** The first page of a table or an index, of zeros. */
	function spoilPage(folder: string, name: string): void {
		const file = join(folder, "payments.db");
		const db = new DatabaseSync(file);
		const found = db.prepare("SELECT rootpage - 1 AS at FROM sqlite_schema WHERE name = ?").get(name) as { at: number };
		db.close();
		const bytes = readFileSync(file);
		writeFileSync(file, bytes.fill(0, found.at * 4096, (found.at + 1) * 4096));
	}

	test.each<readonly [where: string, what: string, touch: (store: Store, job: Job, charge: life.Charge) => unknown]>([
		["total", "added up", (store) => store.summary({})],
		["total", "added to", (store, job, charge) => store.settle([{ ...job, charge }])],
		["payment_aside", "filled", (store, job) => store.release([{ ...job, result: "unknown" }])],
		["sqlite_autoindex_forgotten_1", "asked", (store) => store.enqueue([payment(9)])],
		["outbox", "filled", (store) => store.enqueue([payment(9)])],
		["outbox", "read", (store) => store.readOutbox(0, 9)],
	])("of %s ends the store once it is %s, and every start is refused", async (where, _, touch) => {
		const folder = temporaryFolder();
		const store = await openStore(folder);
		await now(store.enqueue([payment(1)]));
		const [job] = (await store.lease("a", "fresh", 1)) as [Job];
		const [pinned] = await now(store.pin([{ ...job, processor: "default" }]));
		await now(store.close());
		alter(folder, "CREATE TABLE ballast AS SELECT zeroblob(33 * 1024 * 1024) AS bytes");
		spoilPage(folder, where);
		const damaged = await openStore(folder);
		await damaged.reclaim("a", [job]);
		const requestedAtUs = (pinned as { readonly requestedAtUs: number }).requestedAtUs;
		const touched = touch(damaged, job, { processor: "default", amountCents: 1n, requestedAtUs });
		await expect(now(touched as Promise<unknown>)).rejects.toMatchObject({ cause: expect.any(Refusal) });
		await damaged.close();
		for (let start = 0; start < 2; start++) await expect(openSqliteRows(folder, nosync)).rejects.toThrow(/is damaged/);
	});

	test.each(["store", "health", "payment"])("of %s refuses the start, which reads there", async (where) => {
		const folder = temporaryFolder();
		const store = await openStore(folder);
		await now(store.enqueue([payment(1)]));
		await store.lease("a", "fresh", 1);
		await now(store.close());
		alter(folder, "CREATE TABLE ballast AS SELECT zeroblob(33 * 1024 * 1024) AS bytes");
		spoilPage(folder, where);
		const refused = openStore(folder);
		await expect(refused).rejects.toThrow(Refusal);
		await expect(refused).rejects.toThrow(/is damaged/);
	});

	test("ends the store also where the mark that it is damaged cannot be made", async () => {
		const folder = temporaryFolder();
		const store = await openStore(folder);
		await now(store.close());
		alter(folder, "CREATE TABLE ballast AS SELECT zeroblob(33 * 1024 * 1024) AS bytes");
		spoilPage(folder, "total");
		const damaged = await openStore(folder);
		mkdirSync(join(folder, "payments.db-damaged"));
		await expect(now(damaged.summary({}))).rejects.toMatchObject({ cause: expect.any(Refusal) });
		await expect(now(damaged.enqueue([payment(1)]))).rejects.toThrow(StoreFailed);
		await damaged.close();
	});
});

describe("a file that is not this program's", () => {
	test("a database of a newer version is refused, and told to start a newer program", async () => {
		const folder = temporaryFolder();
		(await openSqliteRows(folder, nosync)).close();
		alter(folder, "PRAGMA user_version = 1000");
		await expect(openSqliteRows(folder, nosync)).rejects.toThrow(
			/has version 1000, and this program knows \d+ at most/,
		);
	});

	test("a database of another program is refused and left alone", async () => {
		const folder = temporaryFolder();
		alter(folder, "CREATE TABLE recipe (name TEXT)");
		const before = readFileSync(join(folder, "payments.db"));
		await expect(openSqliteRows(folder, nosync)).rejects.toThrow(/is a database of another program/);
		expect(Buffer.compare(readFileSync(join(folder, "payments.db")), before)).toBe(0);
	});

	test("a lock that is none is refused", async () => {
		const folder = temporaryFolder();
		writeFileSync(join(folder, "lock.db"), randomBytes(4096));
		await expect(openSqliteRows(folder, nosync)).rejects.toThrow(/lock\.db is damaged; remove it/);
	});
});

let suiteFolder = 0;
/** `temporaryFolder` belongs to one test. */
function temporaryFolderOfSuite(): string {
	const folder = join(process.env.TMPDIR ?? "/tmp", `payrelay-damage-${process.pid}-${suiteFolder++}`);
	mkdirSync(folder, { recursive: true });
	return folder;
}

/** Accepts payments `from` to `to` and takes them to different ends, a few in each commit. */
async function fill(rows: Rows, from: number, to: number): Promise<Rows> {
	if (from === 1)
		await change(rows, () => {
			for (let n = 1_000; n < 1_010; n++) rows.insert(life.acceptInDoubt(idOf(n), 5n, "fallback", startUs / 1000));
			rows.forgetAll();
		});
	for (let n = from; n <= to; n += 4)
		await change(rows, () => {
			for (let i = n; i < n + 4; i++) {
				rows.update(live(rows.insert(life.accept(idOf(i), BigInt(i * 37), startUs + i)), rows));
				const seq = ++rows.marks.eventSeq;
				rows.announce({ seq, type: "payment.accepted", paymentId: idOf(i), timeUs: startUs + i });
			}
		});
	return rows;
}

function live({ seq, payment }: Row, rows: Rows): Row {
	const moment = { nowMs: startUs / 1000 + seq * 3, random: 0.5 };
	const pinned = life.pin(payment, processors[seq % 3 === 0 ? 1 : 0]!, 2 ** 32 + seq, moment.nowMs)!;
	if (seq % 5 === 0) return { seq, payment };
	if (seq % 5 === 1) return { seq, payment: pinned };
	if (seq % 5 === 2) return { seq, payment: life.release(pinned, pinned.openAttempt, "unknown", moment, doubt) };
	const charge = { ...pinned.pin!, amountCents: payment.amountCents };
	const settled = life.settle(pinned, charge, startUs + seq * 5_000);
	rows.book(charge);
	return { seq, payment: "payment" in settled ? settled.payment : pinned };
}

function read(folder: string, rows: Rows): Files {
	const copy = temporaryFolderOfSuite();
	copyStore(folder, copy);
	const bytes = new Map(fileNames.map((name) => [name as string, new Uint8Array(readFileSync(join(copy, name)))]));
	rmSync(copy, { recursive: true });
	const all = Array.from({ length: count }, (_, n) => rows.get(idOf(n + 1))).filter((row) => row !== undefined);
	const forgotten = new Map(Array.from({ length: 10 }, (_, n) => [idOf(1_000 + n), rows.forgotten(idOf(1_000 + n))!]));
	const events = rows.outbox(0, count, count);
	return { bytes, rows: all, forgotten, events, totals: rows.summary({}).totals };
}

function write(folder: string, bytes: ReadonlyMap<string, Uint8Array>): void {
	for (const [name, content] of bytes) writeFileSync(join(folder, name), content);
}

/** Anything but a refusal, or all there is, fails the test. */
async function judge(
	folder: string,
	{ rows, forgotten, events, totals }: Files,
	what: string,
): Promise<"refused" | "whole"> {
	let opened: Rows;
	try {
		opened = await openSqliteRows(folder, nosync);
	} catch (error) {
		expect(error, what).toBeInstanceOf(Refusal);
		expect((error as Error).message, what).toContain(folder);
		return "refused";
	}
	try {
		for (const row of rows) expect(opened.get(row.payment.id), what).toEqual(row);
		for (const [id, processor] of forgotten) expect(opened.forgotten(id), what).toBe(processor);
		expect(opened.outbox(0, count, count).slice(0, events.length), what).toEqual(events);
		expect(opened.summary({}).totals, what).toEqual(totals);
		return "whole";
	} finally {
		opened.close();
	}
}

/** One fault in one of the files, as disks, file systems and copies make them. */
function spoil({ bytes }: Files, below: (bound: number) => number): [string, Uint8Array] {
	const name = fileNames[[0, 0, 0, 1, 1, 2][below(6)]!]!;
	const whole = bytes.get(name)!;
	const at = below(whole.length);
	const sector = at - (at % 512);
	switch (below(5)) {
		case 0:
			return [name, whole.slice(0, at)];
		case 1:
			return [name, whole.slice().fill(0, sector, sector + 512)];
		case 2:
			return [name, whole.slice().fill(below(256), sector, sector + 4096)];
		default:
			return [name, flipped(whole, below(whole.length * 8))];
	}
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
	const changed = bytes.slice();
	changed[bit >> 3] = changed[bit >> 3]! ^ (1 << (bit & 7));
	return changed;
}

function alter(folder: string, sql: string): void {
	const db = new DatabaseSync(join(folder, "payments.db"));
	db.exec(sql);
	db.close();
}
