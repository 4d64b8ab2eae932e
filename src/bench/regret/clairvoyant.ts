// An upper bound on what any router can earn that knows the whole timetable: the optimum of a relaxed problem.
//
// A POST that begins at s in a stage with delay d charges where the switch is off at s + d, before the end. While a
// stage lasts, no more POSTs can begin within any d ms than a processor has places, C; so within any t ms no more than
// C + C·t/d. That is a token bucket of C that fills at C/d, and it starts full with each stage: what is still open from
// the stage before, which holds places too, is left out. Payments and tokens may be cut into parts.
//
// So relaxed it is a flow: payments, each from its arrival on, to tokens, each from its filling on until its bucket
// overflows or its stage ends. What flows can reach a group of ends makes a polymatroid, so a greedy choice is optimal:
// as many as possible to the cheaper processor, g(cheap), and all others that can be charged at all, g(both) − g(cheap),
// to the dearer one. Both are found in one pass in the order of time, because serving at once never loses a token. Which
// of two buckets a token came from is left open while it does not matter: the pass keeps bounds on each level and on
// their sum.
import { type Processor, processors } from "../../payment/payment.ts";
import type { Timetable } from "../timetable.ts";
import type { Case } from "./case.ts";
import { exchangeMs, placesMax } from "./site.ts";

export interface Problem extends Pick<Case, "timetable" | "fees" | "arrivals" | "endMs"> {
	readonly places?: number;
	/** How long a POST holds its place beyond the delay, ms. */
	readonly exchange?: number;
}

/** The most that can be earned, in payments: amounts less fees. */
export function clairvoyantProfit(problem: Problem): number {
	const { fees } = problem;
	const [cheap, dear] = [...processors].sort((a, b) => fees[a] - fees[b]) as [Processor, Processor];
	const cheapest = mostCharged(problem, [cheap]);
	const all = mostCharged(problem, [cheap, dear]);
	return cheapest * (1 - fees[cheap]) + (all - cheapest) * (1 - fees[dear]);
}

/** The most payments that these processors can charge together. */
export function mostCharged(problem: Problem, sites: readonly Processor[]): number {
	const { arrivals, endMs, places = placesMax, exchange = exchangeMs } = problem;
	const changes = sites
		.flatMap((site, i) => spans(problem.timetable, site, endMs).map((span) => ({ ...span, i })))
		.sort((a, b) => a.fromMs - b.fromMs);
	const good = sites.map(() => false);
	const perMs = sites.map(() => 0);
	/** Bounds on each bucket's level, and on the sum of all. */
	const levels = sites.map(() => 0);
	let sum = 0;
	let waiting = 0;
	let served = 0;
	let nowMs = 0;

	function serve(): void {
		let can = 0;
		for (let i = 0; i < sites.length; i++) if (good[i]) can += levels[i]!;
		const now = Math.min(waiting, can, sum);
		if (now <= 0) return;
		waiting -= now;
		served += now;
		sum -= now;
		// Where only some may serve, the tokens came from these; a level is never above the sum of the good ones' rest.
		const left = can - now;
		for (let i = 0; i < sites.length; i++) if (good[i]) levels[i] = Math.min(levels[i]!, left);
		clamp();
	}

	function clamp(): void {
		let all = 0;
		for (let i = 0; i < sites.length; i++) {
			levels[i] = Math.min(levels[i]!, sum);
			all += levels[i]!;
		}
		sum = Math.min(sum, all);
	}

	/** Tokens that come in between two moments may be used at once, before a bucket overflows. */
	function advance(toMs: number): void {
		const ms = toMs - nowMs;
		nowMs = toMs;
		if (ms <= 0) return;
		for (let i = 0; i < sites.length; i++) {
			const filled = ms * perMs[i]!;
			levels[i]! += filled;
			sum += filled;
		}
		serve();
		let all = 0;
		for (let i = 0; i < sites.length; i++) {
			levels[i] = Math.min(levels[i]!, places);
			all += levels[i]!;
		}
		sum = Math.min(sum, all);
	}

	let nextChange = 0;
	let nextArrival = 0;
	while (nextChange < changes.length || nextArrival < arrivals.length) {
		const changeMs = changes[nextChange]?.fromMs ?? Number.POSITIVE_INFINITY;
		const arrivalMs = arrivals[nextArrival] ?? Number.POSITIVE_INFINITY;
		advance(Math.min(changeMs, arrivalMs));
		if (changeMs <= arrivalMs) {
			const { i, starts, charges, delayMs } = changes[nextChange++]!;
			good[i] = charges;
			perMs[i] = places / (delayMs + exchange);
			if (starts) {
				// This bucket is full, whatever it was; the others may hold what they could before.
				levels[i] = places;
				sum = levels.reduce((all, level) => all + level, 0);
			}
		} else {
			nextArrival++;
			waiting++;
		}
		serve();
	}
	advance(endMs);
	return served;
}

interface Span {
	readonly fromMs: number;
	readonly delayMs: number;
	/** Does a POST that begins within it charge, before the end? */
	readonly charges: boolean;
	/** Does a stage begin with it? */
	readonly starts: boolean;
}

/** The time until the end, cut wherever what becomes of a POST that begins then changes. */
function spans(timetable: Timetable, site: Processor, endMs: number): Span[] {
	const flips: number[] = [];
	for (const [i, stage] of timetable.entries())
		if (i > 0 && stage[site].failing !== timetable[i - 1]![site].failing) flips.push(stage.atMs);
	const failingAt = (ms: number): boolean => timetable.findLast(({ atMs }) => atMs <= ms)?.[site].failing ?? false;

	return timetable.flatMap((stage, i) => {
		const fromMs = i === 0 ? 0 : stage.atMs;
		const toMs = Math.min(timetable[i + 1]?.atMs ?? endMs, endMs);
		const { delayMs } = stage[site];
		// What begins at this moment or later charges at the end or after it.
		const lastMs = endMs - delayMs;
		const cuts = [
			fromMs,
			...[...flips.map((ms) => ms - delayMs), lastMs].filter((ms) => ms > fromMs && (ms < toMs || ms === endMs)),
		];
		cuts.sort((a, b) => a - b);
		return cuts.map((cutMs, n) => ({
			fromMs: cutMs,
			delayMs,
			charges: cutMs < lastMs && !failingAt(Math.max(cutMs + delayMs, timetable[0]?.atMs ?? 0)),
			starts: n === 0,
		}));
	});
}
