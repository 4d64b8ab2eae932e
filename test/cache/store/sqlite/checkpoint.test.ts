// When the log is written back, and that SQLite's own syncs are off for that only.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test, vi } from "vitest";
import { createCheckpoints } from "../../../../src/cache/store/sqlite/checkpoint.ts";
import { temporaryFolder } from "../media.ts";

/** As the checkpoints have it. */
const lookEvery = 16;

test("a log that is long is written back at the next look, and only then; the log's own header stays synced", () => {
	const db = new DatabaseSync(join(temporaryFolder(), "a.db"));
	onTestFinished(() => db.close());
	db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0");
	const checkpoints = createCheckpoints(db);
	const looks = () => Array.from({ length: lookEvery }, () => checkpoints.afterSync());
	const never = Array(lookEvery).fill(false);
	db.exec("CREATE TABLE a AS SELECT zeroblob(15 * 1024 * 1024) AS bytes");
	expect(looks(), "it is not long enough").toEqual(never);
	db.exec("CREATE TABLE b AS SELECT zeroblob(2 * 1024 * 1024) AS bytes");
	const exec = vi.spyOn(db, "exec");
	expect(looks()).toEqual([...never.slice(1), true]);
	expect(exec.mock.calls.flat()).toEqual(["PRAGMA synchronous = OFF", "PRAGMA synchronous = NORMAL"]);
	const { log, checkpointed } = db.prepare("PRAGMA wal_checkpoint(NOOP)").get() as Record<string, number>;
	expect([checkpointed, db.prepare("PRAGMA synchronous").get()]).toEqual([log, { synchronous: 1 }]);
});
