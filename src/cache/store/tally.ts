// The tally: how many payments are in each state, what was done so far, and which attempts are open.
//
// It keeps the marks from `open` to `retries`; a purge begins them anew with the epoch, and clears the open attempts here.
import { ChurnSet } from "../../churn.ts";
import type { Payment } from "../../payment/life.ts";
import { type Processor, processors } from "../../payment/payment.ts";
import type { Marks } from "./rows.ts";

export function createTally(marks: Marks) {
	/** Tokens of the attempts that are open, and how many of them there are by processor. */
	const openAttempts = new ChurnSet<number>();
	const inFlight: Record<Processor, number> = { default: 0, fallback: 0 };
	let settlesRefused = 0;

	/** Counts a payment in or out of the figures for its state. */
	function count(payment: Payment, by: 1 | -1): void {
		switch (payment.state) {
			case "accepted":
			case "in_flight":
				marks.open += by;
				break;
			case "in_doubt":
				marks.inDoubt += by;
				break;
			case "parked":
				marks.parked += by;
				break;
			case "settled":
				marks.settled += by;
				if (payment.flagged) marks.flagged += by;
		}
	}

	/** An attempt that a restart left open in doubt was not counted in, so it is not counted out either. */
	function countAttempt({ openAttempt, pin }: Payment, by: 1 | -1): void {
		if (openAttempt === 0 || !pin) return;
		if (by === 1) openAttempts.add(openAttempt);
		else if (!openAttempts.delete(openAttempt)) return;
		inFlight[pin.processor] += by;
	}

	return {
		accepted(payment: Payment): void {
			marks.accepted++;
			count(payment, 1);
		},
		changed(before: Payment, after: Payment): void {
			count(before, -1);
			count(after, 1);
			if (after.openAttempt === before.openAttempt) return;
			countAttempt(before, -1);
			countAttempt(after, 1);
			if (after.attempts === before.attempts) return;
			marks.attempts++;
			if (before.attempts > 0) marks.retries++;
		},
		settleRefused(): void {
			settlesRefused++;
		},
		/** A payment found in flight at the start: the marks tell of all but its open attempt. */
		recovered(payment: Payment): void {
			countAttempt(payment, 1);
		},
		inFlight: (processor: Processor) => inFlight[processor],
		openAttempts: () => openAttempts.size,
		clear(): void {
			openAttempts.clear();
			for (const processor of processors) inFlight[processor] = 0;
		},
		figures() {
			const { inDoubt, parked, accepted, settled, flagged, attempts, retries } = marks;
			const counted = { inDoubt, parked, accepted, settled, flagged, attempts, retries };
			return { ...counted, settlesRefused, inFlight: { ...inFlight } };
		},
	};
}
