// One case to judge routers by: a random timetable with its payments, its fees and its end, all from one seed.
import type { Processor } from "../../payment/payment.ts";
import { arrivals } from "../arrivals.ts";
import { createRandom, mix32 } from "../random.ts";
import { type Character, randomTimetable } from "../random-timetable.ts";
import type { Timetable } from "../timetable.ts";

export interface Case {
	readonly seed: number;
	readonly character: Character;
	readonly timetable: Timetable;
	/** What each processor takes of an amount. */
	readonly fees: Readonly<Record<Processor, number>>;
	readonly ratePerSecond: number;
	/** When each payment is accepted, ms, ascending. All amounts are the same: no router here looks at them. */
	readonly arrivals: Float64Array;
	readonly loadMs: number;
	/** What is charged later earns nothing. */
	readonly endMs: number;
}

/** Default and fallback; the default is the cheaper one in each. */
const feePairs: readonly (readonly [number, number])[] = [
	[0.05, 0.15],
	[0.05, 0.08],
	[0.02, 0.2],
	[0.1, 0.3],
	[0.03, 0.1],
	[0.01, 0.02],
];

const loadMinMs = 60_000;
const loadMaxMs = 300_000;
const rateMin = 20;
const rateMax = 400;

/**
 * After the load the last stage goes on for so long, and what is charged then still counts: nobody knows of a run's end,
 * and the other scenarios wait as long for what is left.
 */
export const drainDefaultMs = 30_000;

export function makeCase(seed: number, drainMs: number = drainDefaultMs): Case {
	const random = createRandom(mix32(seed));
	const loadMs = Math.round(loadMinMs + random() * (loadMaxMs - loadMinMs));
	const ratePerSecond = rateMin * (rateMax / rateMin) ** random();
	const [cheap, dear] = feePairs[Math.floor(random() * feePairs.length)]!;
	return {
		seed,
		...randomTimetable(seed, loadMs),
		fees: { default: cheap, fallback: dear },
		ratePerSecond,
		arrivals: arrivals(ratePerSecond, loadMs, "poisson", random),
		loadMs,
		endMs: loadMs + drainMs,
	};
}
