// Timetables: when each processor becomes how slow, and whether it fails. Pure data.

export interface Condition {
	readonly delayMs: number;
	readonly failing: boolean;
}

export interface Stage {
	/** From the start of the load. */
	readonly atMs: number;
	readonly default: Condition;
	readonly fallback: Condition;
}

/** In the order of time. */
export type Timetable = readonly Stage[];

export const well: Condition = { delayMs: 0, failing: false };

const at = (delayMs: number, failing = false): Condition => ({ delayMs, failing });

/** Both processors instant and well. */
export const calm: Timetable = [{ atMs: 0, default: well, fallback: well }];

/** That of the public preview run. */
export const previewTimetable: Timetable = [
	{ atMs: 1_000, default: at(0), fallback: at(0) },
	{ atMs: 10_000, default: at(100), fallback: at(0) },
	{ atMs: 20_000, default: at(100, true), fallback: at(0) },
	{ atMs: 30_000, default: at(2_000, true), fallback: at(1_000, true) },
	{ atMs: 40_000, default: at(20), fallback: at(20) },
	{ atMs: 50_000, default: at(0), fallback: at(5_000) },
];

export function describeCondition({ delayMs, failing }: Condition): string {
	return `${delayMs} ms${failing ? ", failing" : ""}`;
}

/** Squeezes or stretches a timetable that was made for `fromMs`. */
export function scaleTimetable(timetable: Timetable, fromMs: number, toMs: number): Timetable {
	return timetable.map((stage) => ({ ...stage, atMs: (stage.atMs * toMs) / fromMs }));
}
