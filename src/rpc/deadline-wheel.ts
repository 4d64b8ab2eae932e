// Deadlines of many items on one timer: a coarse wheel, so that an item costs two set operations and no timer of its own.
import type { Clock } from "../clock.ts";

/** Slots of the wheel; deadlines further away than its round stay in their slot for another one. */
const slotCount = 256;

export interface Timed {
	/** Written by the wheel. */
	dueTick: number;
}

export interface DeadlineWheel<T extends Timed> {
	/** `onDue` is called at the end of the tick in which `ms` have passed: never early, at most two ticks late. */
	add(item: T, ms: number): void;
	remove(item: T): void;
	/** Lets go of the timer; to be called once nothing is in it any more. */
	stop(): void;
}

export function createDeadlineWheel<T extends Timed>(
	clock: Clock,
	tickMs: number,
	onDue: (item: T) => void,
): DeadlineWheel<T> {
	const slots = Array.from({ length: slotCount }, () => new Set<T>());
	let count = 0;
	let cancelTick: (() => void) | undefined;
	/** The last tick that was looked at. */
	let doneTick = 0;

	function tick(): void {
		const nowTick = Math.floor(clock.monotonic() / tickMs);
		const first = Math.max(doneTick + 1, nowTick - slotCount + 1);
		for (let at = first; at <= nowTick; at++) {
			const slot = slots[at % slotCount]!;
			for (const item of slot) {
				if (item.dueTick > nowTick || !slot.delete(item)) continue;
				count--;
				onDue(item);
			}
		}
		doneTick = nowTick;
		cancelTick = count > 0 ? clock.after(tickMs, tick) : undefined;
	}

	return {
		stop() {
			cancelTick?.();
			cancelTick = undefined;
		},
		add(item, ms) {
			const nowMs = clock.monotonic();
			item.dueTick = Math.ceil((nowMs + ms) / tickMs);
			slots[item.dueTick % slotCount]!.add(item);
			count++;
			if (cancelTick) return;
			doneTick = Math.floor(nowMs / tickMs);
			cancelTick = clock.after(tickMs, tick);
		},
		remove(item) {
			if (slots[item.dueTick % slotCount]!.delete(item)) count--;
		},
	};
}
