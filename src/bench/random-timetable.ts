// A random timetable from a seed: delays of 0 to 5 s and failures of both processors, also such as never end.
import { createRandom, type Random } from "./random.ts";
import type { Condition, Stage, Timetable } from "./timetable.ts";

export const delayMaxMs = 5_000;

/** How the timetable as a whole is made. */
const characters = ["ordinary", "ordinary", "ordinary", "flapping", "one stays dead", "both stay dead"] as const;
export type Character = (typeof characters)[number];

export interface RandomTimetable {
	readonly character: Character;
	readonly timetable: Timetable;
}

/** `forMs`: how long the load lasts; every stage begins before. The same seed gives the same timetable. */
export function randomTimetable(seed: number, forMs: number): RandomTimetable {
	const random = createRandom(seed);
	const character = characters[Math.floor(random() * characters.length)] as Character;
	const [stageMinMs, stageMaxMs] = character === "flapping" ? [300, 2_000] : [2_000, 15_000];
	const stages: Stage[] = [];
	for (let atMs = 0; atMs < forMs; atMs += Math.round(stageMinMs + random() * (stageMaxMs - stageMinMs)))
		stages.push({ atMs, default: condition(random), fallback: condition(random) });
	const deadFromMs = forMs * (0.1 + random() * 0.5);
	const victim = random() < 0.5 ? "default" : "fallback";
	const dead = (one: Condition): Condition => ({ ...one, failing: true });
	switch (character) {
		case "ordinary":
		case "flapping":
			return { character, timetable: stages };
		case "one stays dead":
			return { character, timetable: cut(stages, deadFromMs, (s) => ({ ...s, [victim]: dead(s[victim]) })) };
		case "both stay dead":
			return {
				character,
				timetable: cut(stages, deadFromMs, (s) => ({ ...s, default: dead(s.default), fallback: dead(s.fallback) })),
			};
	}
}

/** Changes everything from a moment on; the stage that holds then is split there. */
function cut(stages: readonly Stage[], fromMs: number, change: (stage: Stage) => Stage): Timetable {
	const before = stages.filter(({ atMs }) => atMs < fromMs);
	const after = stages.filter(({ atMs }) => atMs >= fromMs);
	return [...before, change({ ...before.at(-1)!, atMs: Math.round(fromMs) }), ...after.map(change)];
}

/** A third is instant, a third below 100 ms, the rest anything up to 5 s; one in four fails. */
function condition(random: Random): Condition {
	const kind = random();
	const size = random();
	const delayMs = kind < 0.33 ? 0 : Math.round(kind < 0.66 ? size * 100 : size * delayMaxMs);
	return { delayMs, failing: random() < 0.25 };
}
