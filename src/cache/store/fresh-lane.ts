// The fresh lane: payments without a pin, the oldest first; those that were leased and came back before any other.
//
// It keeps the marks `leasedUpTo` and `doneUpTo`: how far the queue was given out, and how far it is worked off. What a
// start finds between the two is either in flight, and waits under its lease for its consumer, or goes out again.
import type { Leases } from "./leases.ts";
import type { Row, Rows } from "./rows.ts";
import type { LeaseKey } from "./store.ts";

/** How many rows a start reads at a time. */
const scanMax = 256;
/**
 * While so many payments wait for another attempt no first ones are given out: they would only add to them. It bounds
 * their memory, and the time that they take once processors charge again.
 */
const returnedMax = 8_192;

export function createFreshLane(rows: Rows, leases: Leases) {
	const { marks } = rows;
	/** Rows that were leased and came back unpinned: they go out again first. At most `returnedMax`, and what was leased. */
	let returned: Row[] = [];

	const bySeq = (a: Row, b: Row) => a.seq - b.seq;
	const neverLeased = (max: number) => rows.open(marks.leasedUpTo, Number.MAX_SAFE_INTEGER, max);

	/** Payments that are accepted and not leased: those in flight have a lease, be it one that waits for its consumer. */
	const waiting = () => marks.open - leases.freshSize();

	function nextReturned(max: number, retriesMax: number): Row[] {
		const found: Row[] = [];
		const left: Row[] = [];
		let retries = 0;
		for (const row of returned.sort(bySeq)) {
			const isRetry = row.payment.attempts > 0;
			if (found.length === max || (isRetry && retries >= retriesMax)) left.push(row);
			else {
				found.push(row);
				if (isRetry) retries++;
			}
		}
		returned = left;
		return found;
	}

	return {
		waiting,
		/** Rows to lease; up to `retriesMax` of them had an attempt before. */
		next(atMost: number, retriesMax: number): Row[] {
			const max = Math.min(atMost, waiting());
			if (max <= 0) return [];
			const found = nextReturned(max, retriesMax);
			if (found.length < max && returned.length < returnedMax) {
				found.push(...neverLeased(max - found.length));
				marks.leasedUpTo = Math.max(marks.leasedUpTo, found[found.length - 1]?.seq ?? 0);
			}
			return found;
		},
		/** The lease of an accepted payment is over. */
		takeBack(row: Row): void {
			returned.push(row);
		},
		/** Gives a lease again that a restart ended before anything was pinned under it, while nobody else has the payment. */
		reclaim(session: string, { id, token }: LeaseKey, expiresAtMs: number): boolean {
			const at = returned.findIndex((row) => row.payment.id === id);
			const row = returned[at];
			if (!row || token >= leases.firstToken || row.payment.attemptLog.some((ended) => ended.token === token))
				return false;
			returned.splice(at, 1);
			leases.restore({ token, id, seq: row.seq, lane: "fresh", session, expiresAtMs });
			return true;
		},
		/** What the last process had leased goes out again, but for rows in flight: these wait for their consumers, and are the result. */
		recover(expiresAtMs: number): Row[] {
			const inFlight: Row[] = [];
			for (let after = marks.doneUpTo; ; ) {
				const found = rows.open(after, marks.leasedUpTo, scanMax);
				for (const row of found) {
					const { openAttempt, id, state } = row.payment;
					if (state === "in_flight") {
						inFlight.push(row);
						leases.restore({ token: openAttempt, id, seq: row.seq, lane: "fresh", session: "", expiresAtMs });
					} else returned.push(row);
				}
				if (found.length < scanMax) return inFlight;
				after = found[found.length - 1]!.seq;
			}
		},
		/** Marks how far the queue is worked off, so that a restart need not look at what lies before. */
		advance(): void {
			let lowest = Math.min(leases.lowestSeq(), marks.leasedUpTo + 1);
			for (const row of returned) lowest = Math.min(lowest, row.seq);
			marks.doneUpTo = Math.max(marks.doneUpTo, lowest - 1);
		},
		/** Of those that wait, the one accepted first. */
		oldest(): Row | undefined {
			returned.sort(bySeq);
			return returned[0] ?? neverLeased(1)[0];
		},
		clear(): void {
			returned = [];
		},
	};
}
