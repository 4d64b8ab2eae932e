// Polls of the processors' health: when the next one may be granted, over restarts too, and what the last one told.
import type { Clock } from "../../clock.ts";
import { type Processor, processors } from "../../payment/payment.ts";
import type { Rows } from "./rows.ts";
import type { Health } from "./store.ts";

/** A poll whose answer is not reported by then has been given up by its consumer, ms. */
const pollAnswerMaxMs = 6_000;

/** `gapMs`: the least time between two polls of one processor. */
export function createPolls(rows: Rows, clock: Clock, gapMs: number) {
	/** When the next poll of each processor may be granted, on the monotonic clock. */
	const nextPollMs: Record<Processor, number> = { default: 0, fallback: 0 };
	for (const processor of processors) {
		const waitMs = rows.pollAtMs(processor) + gapMs - clock.now();
		nextPollMs[processor] = clock.monotonic() + Math.min(Math.max(waitMs, 0), gapMs);
	}

	return {
		claim(processor: Processor): { granted: boolean; nextMs: number } {
			const waitMs = nextPollMs[processor] - clock.monotonic();
			if (waitMs > 0) return { granted: false, nextMs: Math.ceil(waitMs) };
			nextPollMs[processor] = clock.monotonic() + gapMs + pollAnswerMaxMs;
			rows.savePollAtMs(processor, clock.now());
			return { granted: true, nextMs: gapMs };
		},
		/**
		 * Whether the processor is well again by this answer. The gap to the next poll counts from it: who knows when the
		 * processor counted the question.
		 */
		answered(health: Health): boolean {
			nextPollMs[health.processor] = clock.monotonic() + gapMs;
			rows.savePollAtMs(health.processor, clock.now());
			const before = rows.health().find(({ processor }) => processor === health.processor);
			rows.saveHealth(health);
			return before !== undefined && !isGood(before) && isGood(health);
		},
	};
}

function isGood({ reachable, failing }: Health): boolean {
	return reachable && !failing;
}
