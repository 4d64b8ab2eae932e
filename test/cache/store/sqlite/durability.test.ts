// Nothing is acknowledged before it is on disk; and once the disk failed, nothing is at all.
import { copyFileSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createStore } from "../../../../src/cache/store/group-commit.ts";
import type { Rows } from "../../../../src/cache/store/rows.ts";
import { openSqliteRows } from "../../../../src/cache/store/sqlite/rows.ts";
import { type Store, StoreFailed } from "../../../../src/cache/store/store.ts";
import * as life from "../../../../src/payment/life.ts";
import { createFakeClock } from "../../../fake-clock.ts";
import { copyStore, storeOptions, temporaryFolder } from "../media.ts";
import { idOf } from "../payments.ts";
import { storeSettings } from "../store-settings.ts";

/** A disk whose syncs end when the test says so. */
function createDisk() {
	const waiting: { resolve(): void; reject(error: Error): void }[] = [];
	return {
		waiting,
		fdatasync: () => new Promise<void>((resolve, reject) => void waiting.push({ resolve, reject })),
	};
}

const clock = createFakeClock();
const open = (rows: Rows): Store => createStore(rows, storeSettings, { ...storeOptions, clock });
const payment = (n: number) => [{ id: idOf(n), amountCents: 5n }];

test("an acceptance is told only when its sync has ended, and the mark of what is promised moves after it", async () => {
	const folder = temporaryFolder();
	const disk = createDisk();
	const store = open(await openSqliteRows(folder, disk));
	const mark = () => Number(readFileSync(join(folder, "high-water"), "latin1").slice(0, 15));
	let told = false;
	const accepted = store.enqueue(payment(1)).then(() => {
		told = true;
	});
	await clock.settle();
	expect([disk.waiting.length, told, mark()]).toEqual([1, false, 0]);
	// What comes meanwhile shares the next commit.
	const others = [2, 3, 4].map((n) => store.enqueue(payment(n)));
	await clock.settle();
	expect(disk.waiting).toHaveLength(1);
	disk.waiting[0]!.resolve();
	await accepted;
	expect([told, mark()]).toEqual([true, 1]);
	await clock.settle();
	expect(disk.waiting).toHaveLength(2);
	disk.waiting[1]!.resolve();
	await Promise.all(others);
	expect(mark()).toBe(2);
	const closed = store.close();
	await clock.settle();
	disk.waiting[2]!.resolve();
	await closed;
});

test("the mark tells of what was committed before the sync began, not of what came meanwhile", async () => {
	const folder = temporaryFolder();
	const disk = createDisk();
	const rows = await openSqliteRows(folder, disk);
	const commit = () => {
		rows.begin();
		rows.commit();
	};
	commit();
	const synced = rows.sync();
	commit();
	disk.waiting[0]!.resolve();
	await synced;
	expect(Number(readFileSync(join(folder, "high-water"), "latin1").slice(0, 15))).toBe(1);
	rows.close();
});

test("after a failed sync nothing is acknowledged any more, and what was acknowledged before is there at the next start", async () => {
	const folder = temporaryFolder();
	const disk = createDisk();
	const store = open(await openSqliteRows(folder, disk));
	const safe = store.enqueue(payment(1));
	await clock.settle();
	disk.waiting[0]!.resolve();
	expect(await safe).toEqual(["accepted"]);
	const database = readFileSync(join(folder, "payments.db"));
	const asked = [store.enqueue(payment(2)), store.claimPoll("default")];
	const rejected = asked.map((answer) => expect(answer).rejects.toThrow(StoreFailed));
	await clock.settle();
	asked.push(store.enqueue(payment(3)));
	rejected.push(expect(asked[2]).rejects.toThrow(StoreFailed));
	disk.waiting[1]!.reject(new Error("EIO: i/o error, fdatasync"));
	await Promise.all(rejected);
	await expect(store.enqueue(payment(1))).rejects.toThrow(StoreFailed);
	await expect(store.payment(idOf(1))).rejects.toThrow(StoreFailed);
	await store.close();
	// What the log holds is not known now: nothing of it was copied into the database.
	expect(readFileSync(join(folder, "payments.db")).equals(database)).toBe(true);
	const next = open(await openSqliteRows(folder));
	expect((await next.payment(idOf(1)))?.state).toBe("accepted");
	await next.close();
});

test("where the power fails at any sync, everything acknowledged until then is there", async () => {
	const folder = temporaryFolder();
	const left: { folder: string; acknowledged: readonly number[] }[] = [];
	const acknowledged: number[] = [];
	// At the end of a sync the files hold what a loss of power leaves at the worst; later pages may be lost.
	const fdatasync = async () => {
		const copy = temporaryFolder();
		copyStore(folder, copy);
		left.push({ folder: copy, acknowledged: [...acknowledged] });
	};
	const store = open(await openSqliteRows(folder, { fdatasync }));
	for (let n = 1; n <= 20; n++) {
		await store.enqueue(payment(n));
		acknowledged.push(n);
	}
	await store.close();
	for (const { folder, acknowledged } of left) {
		const found = open(await openSqliteRows(folder));
		for (const n of acknowledged) expect((await found.payment(idOf(n)))?.state).toBe("accepted");
		await found.close();
	}
	expect(left.length).toBeGreaterThanOrEqual(20);
});

test("a medium that fails to write ends the store, and nothing of that commit is acknowledged", async () => {
	const folder = temporaryFolder();
	const rows = await openSqliteRows(folder);
	let full = false;
	const store = open({
		...rows,
		commit() {
			if (full) throw new Error("database or disk is full");
			rows.commit();
		},
	});
	await store.enqueue(payment(1));
	full = true;
	await expect(store.enqueue(payment(2))).rejects.toThrow(StoreFailed);
	full = false;
	await expect(store.enqueue(payment(3))).rejects.toThrow(StoreFailed);
	await store.close();
	const next = open(await openSqliteRows(folder));
	const states = await Promise.all([1, 2, 3].map(async (n) => (await next.payment(idOf(n)))?.state));
	expect(states).toEqual(["accepted", undefined, undefined]);
	await next.close();
});

/** Commits until the log was written back and the database waits for its sync; how many payments are promised then. */
async function writeBack(
	rows: Rows,
	disk: ReturnType<typeof createDisk>,
): Promise<{ count: number; synced: Promise<void> }> {
	for (let count = 0; ; ) {
		rows.begin();
		for (let i = 0; i < 3_000; i++) rows.insert(life.accept(idOf(++count), 5n, 1));
		rows.commit();
		const synced = rows.sync();
		disk.waiting.pop()!.resolve();
		await clock.settle();
		if (disk.waiting.length > 0) return { count, synced };
		await synced;
	}
}

test("a log that was written back stays until the database is synced: a loss of power before that costs nothing", async () => {
	const folder = temporaryFolder();
	const disk = createDisk();
	(await openSqliteRows(folder)).close();
	const unsynced = temporaryFolder();
	copyFileSync(join(folder, "payments.db"), join(unsynced, "payments.db"));
	const rows = await openSqliteRows(folder, disk);
	const { count, synced } = await writeBack(rows, disk);
	expect(() => rows.begin()).toThrow(/while the database is being synced/);
	for (const name of ["payments.db-wal", "high-water"]) copyFileSync(join(folder, name), join(unsynced, name));
	disk.waiting.pop()!.resolve();
	await synced;
	rows.begin();
	rows.commit();
	rows.close();
	// At the worst, nothing that was written to the database has reached the disk.
	const left = await openSqliteRows(unsynced);
	expect(left.open(0, count, count + 1)).toHaveLength(count);
	left.close();
});

test("where the database's sync fails, the store ends, and the log keeps all that was promised", async () => {
	const folder = temporaryFolder();
	const disk = createDisk();
	const rows = await openSqliteRows(folder, disk);
	const { count, synced } = await writeBack(rows, disk);
	disk.waiting.pop()!.reject(new Error("EIO: i/o error, fdatasync"));
	await expect(synced).rejects.toThrow(/EIO/);
	expect(statSync(join(folder, "payments.db-wal")).size).toBeGreaterThan(2 ** 22);
	const next = await openSqliteRows(folder);
	expect(next.open(0, count, count + 1)).toHaveLength(count);
	next.close();
});

test("closed while the database is being synced, the store leaves the log as it is", async () => {
	const folder = temporaryFolder();
	const disk = createDisk();
	const rows = await openSqliteRows(folder, disk);
	const { count, synced } = await writeBack(rows, disk);
	rows.close();
	expect(statSync(join(folder, "payments.db-wal")).size).toBeGreaterThan(2 ** 22);
	disk.waiting.pop()!.resolve();
	// The mark's own sync was under way, too: it may find its file closed.
	await synced.catch((error) => expect(error.code).toBe("EBADF"));
	const next = await openSqliteRows(folder);
	expect(next.open(0, count, count + 1)).toHaveLength(count);
	next.close();
});
