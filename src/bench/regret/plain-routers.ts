// Routers to compare with, without memory of what charges came to: a line of payments, workers, and a rule.
//
// A payment that was not charged goes to the end of the line, and its worker pauses. They know as much of each processor's
// health as the relay does, have as many workers for each, and nothing of their own costs them time.
import { processors } from "../../payment/payment.ts";
import type { Condition } from "../timetable.ts";
import type { Case } from "./case.ts";
import { feed, pollGapMs, pollSpreadMs } from "./relay.ts";
import { createSite, emptyTally, type Tally } from "./site.ts";
import { createSimulatedTime } from "./time.ts";

const workersMax = 512;
/** After a payment that was not charged. */
const pauseMs = 100;

/** The processor for the next payment, by what each last said of its health; undefined: none now. */
type Rule = (health: readonly Condition[], fees: readonly number[]) => number | undefined;

/** Whatever it says. */
export const alwaysDefault = (one: Case): Tally => runPlain(one, () => 0);

/** The cheapest one that said last that it does not fail. */
export const cheapestHealthy = (one: Case): Tally =>
	runPlain(one, (health, fees) => {
		let best: number | undefined;
		for (let i = 0; i < health.length; i++)
			if (!health[i]!.failing && (best === undefined || fees[i]! < fees[best]!)) best = i;
		return best;
	});

function runPlain(one: Case, rule: Rule): Tally {
	const time = createSimulatedTime();
	const tally = emptyTally();
	const sites = processors.map((processor) => createSite(processor, one, time, tally));
	const fees = processors.map((processor) => one.fees[processor]);
	const health = sites.map((site) => site.health());
	const free = sites.map(() => workersMax);
	/** Payments are all alike, so the line is a number. */
	let waiting = 0;

	function look(): void {
		while (waiting > 0) {
			const chosen = rule(health, fees);
			if (chosen === undefined || free[chosen] === 0) return;
			waiting--;
			free[chosen]!--;
			sites[chosen]!.post((charged) => {
				if (!charged) waiting++;
				time.at(time.nowMs() + (charged ? 0 : pauseMs), () => {
					free[chosen]!++;
					look();
				});
			});
		}
	}

	function poll(n: number): void {
		for (let i = 0; i < sites.length; i++) health[i] = sites[i]!.health();
		look();
		time.at(n * (pollGapMs + pollSpreadMs / 2), () => poll(n + 1));
	}

	poll(1);
	feed(one.arrivals, time.at, () => {
		waiting++;
		look();
	});
	time.run(one.endMs);
	return tally;
}
