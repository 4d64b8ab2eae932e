// A processor of a case as its callers see it: it sleeps the delay it had when asked, then reads its failure switch.
import type { Processor } from "../../payment/payment.ts";
import { executingMax } from "../../processor/processor.ts";
import type { Condition, Timetable } from "../timetable.ts";
import type { Case } from "./case.ts";
import type { SimulatedTime } from "./time.ts";

/** Of each POST beside the delay: the way there and back, and the insert. */
export const exchangeMs = 1;
/** What holds a place at once; further ones queue, which no router here makes happen. */
export const placesMax = executingMax;

/** What a router made of a case. */
export interface Tally {
	/** Charged before the end, by processor. */
	readonly charged: Record<Processor, number>;
	/** POSTs that were answered 500. */
	failed: number;
}

export interface Site {
	/** Answers true where it charged. */
	post(answer: (charged: boolean, tookMs: number) => void): void;
	/** What a poll of its health says now. */
	health(): Condition;
}

export const emptyTally = (): Tally => ({ charged: { default: 0, fallback: 0 }, failed: 0 });

export function createSite(processor: Processor, { timetable, endMs }: Case, time: SimulatedTime, tally: Tally): Site {
	const conditionAt = conditions(timetable, processor);
	let open = 0;

	return {
		post(answer) {
			if (++open > placesMax) throw new Error(`more than ${placesMax} requests are open at ${processor}`);
			const readMs = time.nowMs() + conditionAt(time.nowMs()).delayMs;
			const charged = !conditionAt(readMs).failing;
			const tookMs = readMs + exchangeMs - time.nowMs();
			time.at(readMs + exchangeMs, () => {
				open--;
				if (!charged) tally.failed++;
				else if (readMs < endMs) tally.charged[processor]++;
				answer(charged, tookMs);
			});
		},
		health: () => conditionAt(time.nowMs()),
	};
}

/** The condition at a moment; asked in about the order of time, so it looks near the last one. */
function conditions(timetable: Timetable, processor: Processor): (ms: number) => Condition {
	const stages = timetable.map((stage) => stage[processor]);
	const starts = timetable.map(({ atMs }) => atMs);
	let at = 0;
	return (ms) => {
		while (at + 1 < starts.length && starts[at + 1]! <= ms) at++;
		while (at > 0 && starts[at]! > ms) at--;
		return stages[at]!;
	};
}

/** Of the sum of all amounts, in payments: what is left after fees. */
export function profitOf({ charged }: Tally, { fees }: Case): number {
	return charged.default * (1 - fees.default) + charged.fallback * (1 - fees.fallback);
}
