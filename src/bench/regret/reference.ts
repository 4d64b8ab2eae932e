// The policy of the public Go entry that this system's design comes from (niltonkummer/rinha-backend-2025).
//
// Its consumer asks the queue for 30 payments at a time, sleeps 250 ms when there are none, and hands them over channels
// to 60 workers. A worker POSTs to the default processor, whatever it delays, and puts the payment back at the end of the
// queue on any other answer than 2XX. Only while the last health answers, every 5 s, say of both processors that they
// fail, it sleeps 100 ms instead and puts the payment back. The fallback is used after 12 health calls in a row went
// wrong, which a processor that answers never makes happen.
import { processors } from "../../payment/payment.ts";
import type { Case } from "./case.ts";
import { feed } from "./relay.ts";
import { createSite, emptyTally, type Tally } from "./site.ts";
import { createSimulatedTime } from "./time.ts";

const workersMax = 60;
const batchMax = 30;
/** Its two channels, and the batch that waits before them. */
const channelsMax = 90;
const emptyPauseMs = 250;
const coolDownMs = 100;
const healthGapMs = 5_000;
/** Between a failed POST and the worker's next: its consumer has 0.3 CPU, which bears some 6,000 of these a second. */
const failedPauseMs = 10;

export function runReference(one: Case): Tally {
	const time = createSimulatedTime();
	const tally = emptyTally();
	const [main, other] = processors.map((processor) => createSite(processor, one, time, tally));
	let bothFail = false;
	let queued = 0;
	let inChannels = 0;
	let free = workersMax;
	let asleep = false;

	function fetch(): void {
		while (!asleep && inChannels <= channelsMax) {
			if (queued === 0) {
				asleep = true;
				time.at(time.nowMs() + emptyPauseMs, () => {
					asleep = false;
					fetch();
				});
				return;
			}
			const batch = Math.min(batchMax, queued);
			queued -= batch;
			inChannels += batch;
			work();
		}
	}

	function work(): void {
		while (free > 0 && inChannels > 0) {
			free--;
			inChannels--;
			if (bothFail) time.at(time.nowMs() + coolDownMs, () => ended(false));
			else main!.post((charged) => (charged ? ended(true) : time.at(time.nowMs() + failedPauseMs, () => ended(false))));
		}
	}

	function ended(charged: boolean): void {
		if (!charged) queued++;
		free++;
		work();
		fetch();
	}

	function poll(): void {
		bothFail = main!.health().failing && other!.health().failing;
		time.at(time.nowMs() + healthGapMs, poll);
	}

	poll();
	feed(one.arrivals, time.at, () => {
		queued++;
	});
	fetch();
	time.run(one.endMs);
	return tally;
}
