// Deadlines of many items on one timer: a coarse wheel of linked lists, so that an item costs a few assignments and no timer
// of its own.
import type { Clock } from "../clock.ts";

/** Slots of the wheel; deadlines further away than its round stay in their slot for another one. */
const slotCount = 256;

export interface Timed {
	/** Written by the wheel. */
	dueTick: number;
	/** Neighbours in the list of the wheel's slot, the slot itself among them; none while it is not in the wheel. */
	before: Timed | undefined;
	after: Timed | undefined;
}

export interface DeadlineWheel<T extends Timed> {
	/**
	 * `onDue` is called at the end of the tick in which `ms` have passed: never early, at most two ticks late. What is in
	 * the wheel already is timed anew.
	 */
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
	const slots = Array.from({ length: slotCount }, emptySlot);
	let count = 0;
	/** The last tick that was looked at. */
	let doneTick = 0;
	/**
	 * The timer, and the tick that it is for. It is not moved when what it was set for is removed: where calls are answered
	 * in milliseconds, it goes off once in the length of a deadline, and nothing is timed for the others.
	 */
	let timer: { readonly tick: number; readonly cancel: () => void } | undefined;

	function arm(tick: number): void {
		timer?.cancel();
		timer = { tick, cancel: clock.after(Math.max(0, tick * tickMs - clock.monotonic()), look) };
	}

	function look(): void {
		timer = undefined;
		const nowTick = Math.floor(clock.monotonic() / tickMs);
		const first = Math.max(doneTick + 1, nowTick - slotCount + 1);
		// What is added meanwhile is due in a tick that is still to come.
		doneTick = nowTick;
		for (let at = first; at <= nowTick; at++) for (const item of itemsIn(slots[at % slotCount]!)) expire(item);
		if (count > 0) arm(nextTick());
	}

	/** When there is something to look at: perhaps what is due in a later round. */
	function nextTick(): number {
		let tick = doneTick + 1;
		while (isEmpty(slots[tick % slotCount]!)) tick++;
		return tick;
	}

	/** Unless it is due in a later round, or was removed or timed anew because of one before it. */
	function expire(item: Timed): void {
		if (!item.after || item.dueTick > doneTick) return;
		remove(item);
		onDue(item as T);
	}

	function remove(item: Timed): void {
		if (!item.after) return;
		unlink(item);
		count--;
	}

	return {
		stop() {
			timer?.cancel();
			timer = undefined;
		},
		add(item, ms) {
			remove(item);
			const nowMs = clock.monotonic();
			if (count === 0) doneTick = Math.floor(nowMs / tickMs);
			item.dueTick = Math.max(doneTick + 1, Math.ceil((nowMs + ms) / tickMs));
			link(item, slots[item.dueTick % slotCount]!);
			count++;
			if (!timer || timer.tick > item.dueTick) arm(item.dueTick);
		},
		remove,
	};
}

/** Before the first and behind the last of its items. */
function emptySlot(): Timed {
	const slot: Timed = { dueTick: 0, before: undefined, after: undefined };
	slot.before = slot;
	slot.after = slot;
	return slot;
}

function isEmpty(slot: Timed): boolean {
	return slot.after === slot;
}

function itemsIn(slot: Timed): Timed[] {
	const items: Timed[] = [];
	for (let item = slot.after!; item !== slot; item = item.after!) items.push(item);
	return items;
}

function link(item: Timed, slot: Timed): void {
	const last = slot.before!;
	item.before = last;
	item.after = slot;
	last.after = item;
	slot.before = item;
}

/** An item that left must not point to those that stayed: once old, it would keep them, and theirs, alive. */
function unlink(item: Timed): void {
	item.before!.after = item.after;
	item.after!.before = item.before;
	item.before = undefined;
	item.after = undefined;
}
