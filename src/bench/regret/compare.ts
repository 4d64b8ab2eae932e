// One case, every router: what each earned beside the most that could be earned, and why the relay fell behind where it did.
import { processors } from "../../payment/payment.ts";
import { type Case, makeCase } from "./case.ts";
import { clairvoyantProfit } from "./clairvoyant.ts";
import { alwaysDefault, cheapestHealthy } from "./plain-routers.ts";
import { runReference } from "./reference.ts";
import { type RelaySettings, runRelay } from "./relay.ts";
import { profitOf, type Tally } from "./site.ts";

export const others = {
	"always default": alwaysDefault,
	"cheapest healthy now": cheapestHealthy,
	"the Go reference": runReference,
} as const;
export type Other = keyof typeof others;
export const otherNames = Object.keys(others) as Other[];

/** A loss: so much below the best of the others. */
export const lossMin = 0.01;

export interface Comparison {
	readonly one: Pick<Case, "seed" | "character" | "fees" | "ratePerSecond" | "loadMs">;
	/** In payments: amounts less fees. */
	readonly clairvoyant: number;
	readonly relay: number;
	readonly others: Readonly<Record<Other, number>>;
	readonly best: Other;
	readonly loss?: Loss;
}

export const reasons = {
	dearer: "paid the dearer fee for what the cheaper one charged after all",
	ended: "was still waiting for the cheaper one when the run ended",
	died: "was still waiting for the cheaper one when the last processor stopped charging for good",
} as const;
export type Reason = keyof typeof reasons;

export interface Loss {
	/** Below the best of the others, as a part of what that earned. */
	readonly part: number;
	readonly reason: Reason;
	/** Payments that the relay and the best of the others charged at each, and left unpaid. */
	readonly relay: Record<"default" | "fallback" | "unpaid", number>;
	readonly best: Record<"default" | "fallback" | "unpaid", number>;
	/** The longest time without a charge of the default that ended before the run did, ms. */
	readonly longestOutageMs: number;
}

export async function compare(seed: number, drainMs: number, settings: RelaySettings): Promise<Comparison> {
	const whole = makeCase(seed, drainMs);
	const relayTally = await runRelay(whole, settings);
	const relay = profitOf(relayTally, whole);
	const tallies = each((name) => others[name](whole));
	const profits = each((name) => profitOf(tallies[name], whole));
	const best = otherNames.reduce((a, b) => (profits[b] > profits[a] ? b : a));
	const part = profits[best] > 0 ? 1 - relay / profits[best] : 0;
	const { character, fees, ratePerSecond, loadMs } = whole;
	return {
		one: { seed, character, fees, ratePerSecond, loadMs },
		clairvoyant: clairvoyantProfit(whole),
		relay,
		others: profits,
		best,
		...(part > lossMin && { loss: explain(whole, part, relayTally, tallies[best]) }),
	};
}

/** What the relay lost by leaving more unpaid, or by paying more: the greater part of it names the reason. */
function explain(one: Case, part: number, relay: Tally, best: Tally): Loss {
	const { fees, timetable, arrivals } = one;
	const paid = ({ charged }: Tally): number => charged.default + charged.fallback;
	const byUnpaid = (paid(best) - paid(relay)) * (1 - fees.default);
	const byFees = (relay.charged.fallback - best.charged.fallback) * (fees.fallback - fees.default);
	const last = timetable.at(-1)!;
	const died = processors.every((processor) => last[processor].failing);
	const told = (tally: Tally) => ({ ...tally.charged, unpaid: arrivals.length - paid(tally) });
	return {
		part,
		reason: byFees >= byUnpaid ? "dearer" : died ? "died" : "ended",
		relay: told(relay),
		best: told(best),
		longestOutageMs: longestOutageMs(one),
	};
}

function longestOutageMs({ timetable }: Case): number {
	let longestMs = 0;
	let sinceMs: number | undefined;
	for (const { atMs, default: condition } of timetable) {
		if (condition.failing) sinceMs ??= atMs;
		else if (sinceMs !== undefined) {
			longestMs = Math.max(longestMs, atMs - sinceMs);
			sinceMs = undefined;
		}
	}
	return longestMs;
}

function each<T>(value: (name: Other) => T): Record<Other, T> {
	return Object.fromEntries(otherNames.map((name) => [name, value(name)])) as Record<Other, T>;
}
