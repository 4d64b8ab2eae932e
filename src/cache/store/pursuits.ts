// The pursuits: payments in doubt or parked, and when each is due to be asked for again, processor by processor, so that
// those of a dead one stand before nobody else's.
import type { Clock } from "../../clock.ts";
import type { Processor } from "../../payment/payment.ts";
import type { Leases } from "./leases.ts";
import type { Due, Row, Rows } from "./rows.ts";

export interface Pursuits {
	/** Those that are due and that nobody holds. */
	next(processor: Processor, max: number): Row[];
	/** ms until the next one that nobody holds is due; undefined when there is none. */
	nextDueMs(processor: Processor): number | undefined;
	/** One came, went, or is due at another time. Leases tell of themselves. */
	changed(): void;
}

/** When the first and the last one that nobody holds are due; absent where there is none. */
interface Ends {
	readonly leaseTurn: number;
	readonly firstMs?: number | undefined;
	readonly lastMs?: number | undefined;
}

/** `longestPauseMs`: no payment pauses for longer. */
export function createPursuits(rows: Rows, leases: Leases, clock: Clock, longestPauseMs: number): Pursuits {
	const { marks } = rows;
	/** What was found last holds until something changes: it is asked for at every commit. */
	const ends = new Map<Processor, Ends>();

	/** Leased rows stay where they are, so as many more are read. */
	const withHeld = (max: number) => max + leases.pursuitSize();
	const free = (found: readonly Due[]) => found.filter(({ id }) => !leases.ofId(id));
	const none = () => marks.inDoubt + marks.parked === 0;
	/** What is due later shows that the wall clock was set back since. */
	const strayMs = () => clock.now() + longestPauseMs;

	function endsOf(processor: Processor): Ends {
		const known = ends.get(processor);
		if (known?.leaseTurn === leases.pursuitTurn()) return known;
		const [first] = free(rows.due(processor, Number.MAX_SAFE_INTEGER, withHeld(1)));
		const [last] = free(rows.dueLast(processor, withHeld(1)));
		const found = { leaseTurn: leases.pursuitTurn(), firstMs: first?.dueAtMs, lastMs: last?.dueAtMs };
		ends.set(processor, found);
		return found;
	}

	function strays(processor: Processor, max: number): Due[] {
		const { lastMs } = endsOf(processor);
		if (lastMs === undefined || lastMs <= strayMs()) return [];
		return free(rows.dueLast(processor, withHeld(max))).filter(({ dueAtMs }) => dueAtMs > strayMs());
	}

	return {
		next(processor, max) {
			if (none() || max <= 0) return [];
			const due = free(rows.due(processor, clock.now(), withHeld(max)));
			const found = [...strays(processor, max), ...due].slice(0, max);
			return found.map(({ id }) => {
				const row = rows.get(id);
				if (!row) throw rows.contradiction(`payment ${id}, which is due,`);
				return row;
			});
		},
		nextDueMs(processor) {
			if (none()) return undefined;
			const { firstMs, lastMs } = endsOf(processor);
			if (firstMs === undefined || lastMs === undefined) return undefined;
			return lastMs > strayMs() ? 0 : Math.max(0, firstMs - clock.now());
		},
		changed: () => ends.clear(),
	};
}
