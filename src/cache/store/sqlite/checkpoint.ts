// Writes the log back into the database once it is long, so that neither it nor a start grows without bound.
//
// SQLite's own automatic checkpoints run inside a COMMIT and keep their errors to themselves; a failed one must end the
// store like any other failed write. Nor does SQLite sync here: in a large database the pages lie all over it, as ids are
// random, and waiting for these on the event loop held up everything for 10 to 90 ms.
import type { DatabaseSync } from "node:sqlite";

/** Pages in the log that call for a checkpoint: more make rarer, longer pauses. At 4 KiB each, 16 MB. */
const pagesMax = 4_000;
/** Syncs between two looks at the log's length. */
const lookEvery = 16;

export interface Checkpoints {
	/**
	 * To be called after each sync of the log, outside of any transaction; true when the log was written back. Then no
	 * transaction may begin before the database is synced: it would begin the log anew, over what the database may lack.
	 */
	afterSync(): boolean;
}

export function createCheckpoints(db: DatabaseSync): Checkpoints {
	const look = db.prepare("PRAGMA wal_checkpoint(NOOP)");
	const run = db.prepare("PRAGMA wal_checkpoint(PASSIVE)");
	let syncs = 0;
	return {
		afterSync() {
			if (++syncs % lookEvery !== 0) return false;
			const { log } = look.get() as { log: number };
			if (log < pagesMax) return false;
			db.exec("PRAGMA synchronous = OFF");
			try {
				run.get();
			} finally {
				db.exec("PRAGMA synchronous = NORMAL");
			}
			return true;
		},
	};
}
