// Leases: who works on which payment, until when. In memory; a restart ends them, but for those that are taken up again.
import { ChurnMap } from "../../churn.ts";
import type { Lane, LeaseKey } from "./store.ts";

export interface Lease {
	readonly token: number;
	readonly id: string;
	readonly seq: number;
	readonly lane: Lane;
	/** Empty after a restart, until its consumer takes the lease up again. */
	session: string;
	/** On the monotonic clock, ms: a jump of the wall clock neither ends nor prolongs a lease. */
	expiresAtMs: number;
}

/** 2³² leases per start, and 2²¹ starts, fit the integers that a double holds exactly. */
const tokensPerBoot = 2 ** 32;
const bootMax = 2 ** 21 - 1;

export interface Leases {
	readonly size: number;
	freshSize(): number;
	pursuitSize(): number;
	/** Another number after each change of those. */
	pursuitTurn(): number;
	/** The lowest token that this start can issue: a lower one is of an earlier start. */
	readonly firstToken: number;
	grant(session: string, row: { id: string; seq: number }, lane: Lane, expiresAtMs: number): Lease;
	/** Takes up a lease under the token that it had before a restart. */
	restore(lease: Lease): void;
	/** Prolongs a lease of the session's, or one that waits for its consumer: the token says who that is. Else false. */
	renew(session: string, token: number, expiresAtMs: number): boolean;
	/** As `renew`; one that waits for its consumer is the session's from then on. */
	reclaim(session: string, key: LeaseKey, expiresAtMs: number): boolean;
	ofToken(token: number): Lease | undefined;
	ofId(id: string): Lease | undefined;
	end(lease: Lease): void;
	expired(nowMs: number): Lease[];
	ofSession(session: string): Lease[];
	clear(): void;
	/** The lowest place in the order of acceptance that a fresh lease holds. */
	lowestSeq(): number;
}

/** Tokens rise and never repeat: the store counts its starts, and a start that cannot be told apart is refused. */
export function createLeases(boot: number): Leases {
	if (boot > bootMax) throw new Error(`this store was opened ${boot} times; tokens are used up after ${bootMax}`);
	let issued = 0;
	let pursuits = 0;
	let pursuitTurn = 0;
	const byToken = new ChurnMap<number, Lease>();
	const byId = new ChurnMap<string, Lease>();
	const count = ({ lane }: Lease, by: 1 | -1) => {
		if (lane === "fresh") return;
		pursuits += by;
		pursuitTurn++;
	};
	const add = (lease: Lease) => {
		byToken.set(lease.token, lease);
		byId.set(lease.id, lease);
		count(lease, 1);
		return lease;
	};
	const heldBy = (session: string, token: number) => {
		const lease = byToken.get(token);
		return lease?.session === session || lease?.session === "" ? lease : undefined;
	};
	return {
		get size() {
			return byToken.size;
		},
		firstToken: boot * tokensPerBoot,
		freshSize: () => byToken.size - pursuits,
		pursuitSize: () => pursuits,
		pursuitTurn: () => pursuitTurn,
		grant(session, row, lane, expiresAtMs) {
			if (++issued >= tokensPerBoot) throw new Error("the tokens of this start are used up");
			const token = boot * tokensPerBoot + issued;
			return add({ token, id: row.id, seq: row.seq, lane, session, expiresAtMs });
		},
		restore: add,
		renew(session, token, expiresAtMs) {
			const lease = heldBy(session, token);
			if (lease) lease.expiresAtMs = expiresAtMs;
			return lease !== undefined;
		},
		reclaim(session, { id, token }, expiresAtMs) {
			const lease = heldBy(session, token);
			if (lease?.id !== id) return false;
			lease.session = session;
			lease.expiresAtMs = expiresAtMs;
			return true;
		},
		ofToken: (token) => byToken.get(token),
		ofId: (id) => byId.get(id),
		end(lease) {
			if (!byToken.delete(lease.token)) return;
			byId.delete(lease.id);
			count(lease, -1);
		},
		expired(nowMs) {
			const found: Lease[] = [];
			for (const lease of byToken.values()) if (lease.expiresAtMs <= nowMs) found.push(lease);
			return found;
		},
		ofSession(session) {
			const found: Lease[] = [];
			for (const lease of byToken.values()) if (lease.session === session) found.push(lease);
			return found;
		},
		clear() {
			byToken.clear();
			byId.clear();
			pursuits = 0;
			pursuitTurn++;
		},
		lowestSeq() {
			let lowest = Number.POSITIVE_INFINITY;
			for (const lease of byToken.values()) if (lease.lane === "fresh" && lease.seq < lowest) lowest = lease.seq;
			return lowest;
		},
	};
}
