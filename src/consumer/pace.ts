// How many payments are started in a moment, where the process may use a part of a CPU only.
//
// A process that has used up its part is stopped until the next period of the scheduler, for up to a tenth of a second,
// with answers of processors waiting to be told to the books. A backlog would have that happen in each period. So no more
// is started than about fits into most of that part, by what starts of late have cost. The part is its control group's: the
// consumer is taken to be alone in it, as in a container of its own.
import type { Clock } from "../clock.ts";

export interface Pace {
	/** Whether one more may be started now; then it counts as started. */
	take(): boolean;
	/** When to ask again after a no, ms from now. */
	readonly nextMs: number;
}

export interface PaceSettings {
	/** Starts are given out once in this time, ms, so that they go together: each batch costs much the same, whatever is in it. */
	readonly everyMs: number;
	/** Starts that were not needed are kept for this time, ms. Longer than jobs take to come. */
	readonly keptMs: number;
	/** Starts/ms, to begin with, and at least and most whatever they cost. */
	readonly first: number;
	readonly min: number;
	readonly max: number;
	/** Of the CPU that the process may use. The rest is for answers, which wait for nothing then. */
	readonly part: number;
	/** After this time it is looked at what starts have cost, ms; about a period of the scheduler. */
	readonly judgedMs: number;
	/** What one judgement counts, of the next rate. */
	readonly weight: number;
}

export const paceDefaults: PaceSettings = {
	everyMs: 10,
	keptMs: 30,
	first: 1,
	min: 0.05,
	max: 100,
	part: 0.8,
	judgedMs: 100,
	weight: 0.5,
};

/** One judgement takes the rate for so many times what it is, or so many times less, at most. */
const changeMax = 2;

export interface PaceOptions {
	readonly clock: Pick<Clock, "monotonic">;
	/** CPUs that the process may use on the mean; undefined: as many as there are. */
	readonly quota: number | undefined;
	/** CPU time that it has used so far, ms. */
	readonly usedMs: () => number;
	readonly settings?: PaceSettings;
}

/** For a process that may use whole CPUs: what it cannot carry waits for the CPU, not for a period to end. */
export const unpaced: Pace = { take: () => true, nextMs: 0 };

export function createPace({ clock, quota, usedMs, settings = paceDefaults }: PaceOptions): Pace {
	if (quota === undefined || quota >= 1) return unpaced;
	const { everyMs, keptMs, min, max, part, judgedMs, weight } = settings;
	/** CPU that may be used on the mean. */
	const most = quota * part;
	let rate = settings.first;
	let left = 0;
	let filledAtMs = clock.monotonic();
	/** More would have been started since it was filled. */
	let short = false;
	let run = newRun();

	/** What was used and started since then, and whether starts were short all the time. */
	function newRun() {
		return { sinceMs: filledAtMs, usedMs: usedMs(), started: 0, allShort: true };
	}

	function fill(): void {
		const nowMs = clock.monotonic();
		const forMs = nowMs - filledAtMs;
		if (forMs < everyMs) return;
		filledAtMs = nowMs;
		// What was asked for in vain is made up for, or whoever is woken late would be the slower for it.
		const forLateMs = short ? Math.min(forMs, judgedMs) : 0;
		left = Math.min(left + rate * forMs, Math.max(1, rate * Math.max(keptMs, forLateMs)));
		run.allShort &&= short;
		short = false;
		const sinceMs = nowMs - run.sinceMs;
		if (sinceMs < judgedMs) return;
		// Over a long silence nothing is told.
		if (forMs < judgedMs) rate = judged(sinceMs);
		run = newRun();
	}

	/** The next rate. Where not all that could be started was asked for, it can be too high all the same, but not too low. */
	function judged(forMs: number): number {
		const used = (usedMs() - run.usedMs) / forMs;
		if (!run.allShort && used <= most) return rate;
		const fitting = used > 0 ? (run.started / forMs) * (most / used) : max;
		// One moment says little: something else may have used the CPU, or starts may not have cost all of theirs yet.
		const next = Math.min(Math.max(fitting, rate / changeMax), run.allShort ? rate * changeMax : rate);
		return Math.min(Math.max(rate + (next - rate) * weight, min), max);
	}

	return {
		take() {
			fill();
			if (left < 1) {
				short = true;
				return false;
			}
			left--;
			run.started++;
			return true;
		},
		get nextMs() {
			// Whole ones, as timers do not wait longer.
			return Math.max(0, Math.ceil(filledAtMs + everyMs - clock.monotonic()));
		},
	};
}
