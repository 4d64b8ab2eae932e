// Who holds what: counts each session's outstanding jobs by watching what passes to the store, and what comes of it.
//
// A lease begins with `lease` or `reclaim`. It ends when its payment is settled, by whoever; when it is released; when a
// pin, a release or a renewal under it turns out to be fenced; when a person resolves the payment; when the payment is
// leased anew; with a new epoch; and when it has run out. The last covers every end that was not seen here. A count may
// lag behind the store's, but only ever too high: nobody gets more than their credit because of it.
import { ChurnMap } from "../churn.ts";
import type { Clock } from "../clock.ts";
import type { Job, Lane, LeaseKey, Store } from "./store/store.ts";

interface Holding {
	readonly id: string;
	readonly token: number;
	readonly epoch: number;
	session: string;
	lane: Lane;
	/** Fresh, and had an attempt before this lease. */
	retry: boolean;
	/** An attempt was committed under this lease. */
	pinned: boolean;
	/** Not before the store's own end of the lease, on the monotonic clock; infinite while a renewal is under way. */
	endsAtMs: number;
}

export interface Holdings {
	/** The store, watched. Its `subscribe` also wakes when a lease has ended, which may have freed credit. */
	readonly store: Store;
	outstanding(session: string, lane: Lane): number;
	/** Has it a lease, in any lane? */
	holds(session: string): boolean;
	/** Of the fresh ones, those that had an attempt before. */
	retries(session: string): number;
	/** Leases of a session without an attempt whose tokens are not among `held`. */
	unknownTo(session: string, held: readonly LeaseKey[]): { id: string; token: number; epoch: number }[];
}

export function createHoldings(store: Store, clock: Clock, leaseMs: number): Holdings {
	const byToken = new ChurnMap<number, Holding>();
	const byId = new ChurnMap<string, Holding>();
	const counts = new Map<string, Record<Lane | "retries", number>>();
	const wakes = new Set<() => void>();
	let epoch = 0;

	const leaseEndMs = () => clock.monotonic() + leaseMs;

	function count(holding: Holding, by: 1 | -1): void {
		const ofSession = counts.get(holding.session) ?? { fresh: 0, default: 0, fallback: 0, retries: 0 };
		ofSession[holding.lane] += by;
		if (holding.retry) ofSession.retries += by;
		if (ofSession.fresh + ofSession.default + ofSession.fallback === 0) counts.delete(holding.session);
		else counts.set(holding.session, ofSession);
	}

	function begin(holding: Holding): void {
		endAll([byToken.get(holding.token), byId.get(holding.id)]);
		byToken.set(holding.token, holding);
		byId.set(holding.id, holding);
		count(holding, 1);
	}

	/** Ends a holding, once. */
	function end(holding: Holding): boolean {
		if (!byToken.delete(holding.token)) return false;
		byId.delete(holding.id);
		count(holding, -1);
		return true;
	}

	/** Ends those of the given holdings that there are; wakes whoever waits for credit if there were any. */
	function endAll(holdings: Iterable<Holding | undefined>): void {
		let ended = 0;
		for (const holding of holdings) if (holding && end(holding)) ended++;
		if (ended > 0) for (const wake of wakes) wake();
	}

	/** The holding that a request with this token and epoch meant. */
	function meant(key: LeaseKey & { readonly epoch: number }): Holding | undefined {
		const holding = byToken.get(key.token);
		return holding?.id === key.id && holding.epoch === key.epoch ? holding : undefined;
	}

	/** A later epoch has begun: no lease of an earlier one holds. */
	function seeEpoch(seen: number): void {
		if (seen <= epoch) return;
		epoch = seen;
		endAll([...byToken.values()].filter((holding) => holding.epoch < seen));
	}

	/** What is lost of these has ended; the rest holds for another lease. */
	function prolong(holdings: readonly Holding[], lost: readonly number[]): void {
		const gone = new Set(lost);
		for (const holding of holdings) holding.endsAtMs = leaseEndMs();
		endAll(holdings.filter((holding) => gone.has(holding.token)));
	}

	/** After a restart of the cache, a lease that is taken up again comes without its lane: the payment tells. */
	async function adopt(session: string, { id, token }: LeaseKey): Promise<void> {
		const endsAtMs = leaseEndMs();
		const holding: Holding = { id, token, epoch, session, lane: "fresh", retry: false, pinned: true, endsAtMs };
		begin(holding);
		const payment = await store.payment(id);
		if (!payment || byToken.get(token) !== holding) return;
		count(holding, -1);
		const pursued = payment.state === "in_doubt" || payment.state === "parked";
		holding.lane = (pursued && payment.pin?.processor) || "fresh";
		holding.pinned = payment.openAttempt === token;
		holding.retry = holding.lane === "fresh" && payment.attempts > (holding.pinned ? 1 : 0);
		count(holding, 1);
	}

	/** Those of the tokens that the session holds, kept from running out until it is known what became of them. */
	function suspend(session: string, tokens: readonly number[]): Holding[] {
		const held = tokens.map((token) => byToken.get(token)).filter((holding) => holding?.session === session);
		return (held as Holding[]).map((holding) => Object.assign(holding, { endsAtMs: Number.POSITIVE_INFINITY }));
	}

	const watched: Store = {
		...store,
		async lease(session, lane, max, retriesMax): Promise<Job[]> {
			const jobs = await store.lease(session, lane, max, retriesMax);
			if (jobs.length === 0) return jobs;
			const endsAtMs = leaseEndMs();
			for (const job of jobs) {
				seeEpoch(job.epoch);
				if (job.epoch < epoch) continue;
				const { id, token, attempts } = job;
				const retry = lane === "fresh" && attempts > 0;
				begin({ id, token, epoch: job.epoch, session, lane, retry, pinned: false, endsAtMs });
			}
			// A purge that overtook the answer has ended these leases.
			return jobs[0]!.epoch < epoch ? jobs.filter((job) => job.epoch === epoch) : jobs;
		},
		async renew(session, tokens) {
			const suspended = suspend(session, tokens);
			const lost = await store.renew(session, tokens);
			prolong(suspended, lost);
			return lost;
		},
		async reclaim(session, held) {
			if (held.length === 0) return [];
			if (epoch === 0) seeEpoch((await store.figures()).epoch);
			const matching = held.filter(({ id, token }) => byToken.get(token)?.id === id);
			const suspended = suspend(
				session,
				matching.map(({ token }) => token),
			);
			const lost = await store.reclaim(session, held);
			prolong(suspended, lost);
			const gone = new Set(lost);
			await Promise.all(
				held.filter((key) => !gone.has(key.token) && !byToken.has(key.token)).map((key) => adopt(session, key)),
			);
			return lost;
		},
		async pin(requests) {
			const outcomes = await store.pin(requests);
			const fenced: (Holding | undefined)[] = [];
			outcomes.forEach(({ outcome }, i) => {
				const holding = meant(requests[i]!);
				if (outcome === "pinned" && holding) holding.pinned = true;
				if (outcome === "fenced") fenced.push(holding);
			});
			endAll(fenced);
			return outcomes;
		},
		async release(releases) {
			const outcomes = await store.release(releases);
			endAll(releases.map(meant));
			return outcomes;
		},
		async settle(settlements) {
			const outcomes = await store.settle(settlements);
			endAll(
				settlements.map(({ id, epoch }, i) => {
					const holding = outcomes[i] === "refused" ? undefined : byId.get(id);
					return holding?.epoch === epoch ? holding : undefined;
				}),
			);
			return outcomes;
		},
		async expire() {
			const beganAtMs = clock.monotonic();
			const expired = await store.expire();
			endAll([...byToken.values()].filter((holding) => holding.endsAtMs <= beganAtMs));
			return expired;
		},
		async endSession(session) {
			// Once it is back, what it takes up and is given before the answer is its own.
			const heldUntilMs = leaseEndMs();
			await store.endSession(session);
			endAll([...byToken.values()].filter((one) => one.session === session && one.endsAtMs <= heldUntilMs));
		},
		async resolve(id, resolution, charge) {
			const resolved = await store.resolve(id, resolution, charge);
			if (resolved.outcome === "resolved" && resolved.payment.state !== "in_doubt") endAll([byId.get(id)]);
			return resolved;
		},
		async purge(waitMs, ending) {
			const purged = await store.purge(waitMs, ending);
			seeEpoch(purged.epoch);
			return purged;
		},
		subscribe(wake) {
			wakes.add(wake);
			const unsubscribe = store.subscribe(wake);
			return () => {
				wakes.delete(wake);
				unsubscribe();
			};
		},
	};

	return {
		store: watched,
		outstanding: (session, lane) => counts.get(session)?.[lane] ?? 0,
		holds: (session) => counts.has(session),
		retries: (session) => counts.get(session)?.retries ?? 0,
		unknownTo(session, held) {
			const named = new Set(held.map(({ token }) => token));
			const unknown: Holding[] = [];
			for (const holding of byToken.values())
				if (holding.session === session && !holding.pinned && !named.has(holding.token)) unknown.push(holding);
			return unknown.map(({ id, token, epoch }) => ({ id, token, epoch }));
		},
	};
}
