// Consumers whose stream has ended: unless they come back or renew a lease in time, what they held is given on.
//
// A killed consumer's leases would run out by themselves, but only after a whole lease; until then the books lack what
// it charged and could not tell.
import type { Clock } from "../clock.ts";
import type { Holdings } from "./holdings.ts";
import type { StoreSettings } from "./store/store.ts";

export interface Absentees {
	/** The session's stream has ended, and no other took its place. */
	left(session: string): void;
	/** A sign of life of the session. */
	seen(session: string): void;
	close(): void;
}

/** A consumer that stops has no stream, but renews in each third of a lease until its charges end: it is not away. */
const leaseShareMin = 1 / 2;

/** One timer for each session that is away and holds a lease: no more of them than there are leases. */
export function createAbsentees(
	{ store, holds }: { readonly store: Pick<Holdings["store"], "endSession"> } & Pick<Holdings, "holds">,
	clock: Clock,
	{ leaseMs, reclaimMs }: Pick<StoreSettings, "leaseMs" | "reclaimMs">,
	onError: (cause: unknown) => void,
): Absentees {
	const graceMs = Math.max(reclaimMs, leaseMs * leaseShareMin);
	const away = new Map<string, () => void>();
	let closed = false;

	function seen(session: string): void {
		away.get(session)?.();
		away.delete(session);
	}

	return {
		seen,
		left(session) {
			seen(session);
			if (closed || !holds(session)) return;
			const cancel = clock.after(graceMs, () => {
				away.delete(session);
				// What it held may have been settled in the meantime, and a commit makes shops wait.
				if (holds(session)) store.endSession(session).catch(onError);
			});
			away.set(session, cancel);
		},
		close() {
			closed = true;
			for (const cancel of away.values()) cancel();
			away.clear();
		},
	};
}
