// What consumers last said of themselves: kept in memory, for those who ask, until it is old.
import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock } from "../clock.ts";
import type { ConsumerFigures } from "../gen/payrelay/v1/stats_service_pb.ts";

export interface Reports {
	/** RESOURCE_EXHAUSTED where too many report. */
	add(figures: ConsumerFigures): void;
	/** In the order of their first reports. */
	all(): ConsumerFigures[];
}

/** Consumers report every 2 s: one that has not for so long is gone, ms. */
const keptMs = 15_000;
/** As many as may be connected. */
const reportsMax = 1_000;

export function createReports(clock: Pick<Clock, "monotonic">): Reports {
	const bySession = new Map<string, { readonly figures: ConsumerFigures; readonly atMs: number }>();

	function forgetOld(): void {
		const oldestMs = clock.monotonic() - keptMs;
		for (const [session, { atMs }] of bySession) if (atMs <= oldestMs) bySession.delete(session);
	}

	return {
		add(figures) {
			if (!bySession.has(figures.sessionId) && bySession.size >= reportsMax) {
				forgetOld();
				if (bySession.size >= reportsMax)
					throw new ConnectError(`${reportsMax} consumers report already`, Code.ResourceExhausted);
			}
			bySession.set(figures.sessionId, { figures, atMs: clock.monotonic() });
		},
		all() {
			forgetOld();
			return Array.from(bySession.values(), ({ figures }) => figures);
		},
	};
}
