// What ends a call to a processor early: its caller's signal, or its own deadline.
//
// A job has one AbortController, and each of its calls a deadline beside it. An AbortController and a timer for each of these
// would cost several times what the few lines below do, and would be copied by the collector while a charge is open.
import type { Clock } from "../clock.ts";
import { createDeadlineWheel, type Timed } from "../rpc/deadline-wheel.ts";

/** What a call needs of an AbortSignal; any of these will do. */
export interface Cutoff {
	readonly aborted: boolean;
	addEventListener(type: "abort", listener: () => void): void;
	removeEventListener(type: "abort", listener: () => void): void;
}

/** The cutoff of one call: aborts when its time is over, or when its caller's does. */
export interface Deadline extends Cutoff {
	/** Its time is over. */
	readonly late: boolean;
	/** To be called once the call has ended. */
	end(): void;
}

/** Deadlines are looked at so often, ms; they are seconds long. */
const tickMs = 50;

/** Gives a call a deadline of `ms`, which is never early, and at most two ticks late. */
export function createDeadlines(clock: Clock): (ms: number, outer: Cutoff) => Deadline {
	const wheel = createDeadlineWheel<RunningDeadline>(clock, tickMs, (deadline) => deadline.expire());
	let running = 0;

	function onEnd(deadline: RunningDeadline): void {
		wheel.remove(deadline);
		if (--running === 0) wheel.stop();
	}

	return (ms, outer) => {
		const deadline = new RunningDeadline(outer, onEnd);
		wheel.add(deadline, ms);
		running++;
		return deadline;
	};
}

/** A class: as closures its methods would be made anew for each call. */
class RunningDeadline implements Deadline, Timed {
	dueTick = 0;
	before: Timed | undefined = undefined;
	after: Timed | undefined = undefined;
	aborted: boolean;
	late = false;
	readonly #outer: Cutoff;
	readonly #onOuterAbort: () => void;
	readonly #onEnd: (deadline: RunningDeadline) => void;
	/** Nearly always one; a list that has grown by `push` has room for sixteen more. */
	#listeners: readonly (() => void)[] = none;

	constructor(outer: Cutoff, onEnd: (deadline: RunningDeadline) => void) {
		this.#outer = outer;
		this.#onEnd = onEnd;
		this.aborted = outer.aborted;
		// By its name: churn.ts tells why.
		const onOuterAbort = (): void => this.#abort();
		this.#onOuterAbort = onOuterAbort;
		outer.addEventListener("abort", onOuterAbort);
	}

	addEventListener(_: "abort", listener: () => void): void {
		this.#listeners = [...this.#listeners, listener];
	}

	removeEventListener(_: "abort", listener: () => void): void {
		this.#listeners = this.#listeners.filter((one) => one !== listener);
	}

	expire(): void {
		this.late = true;
		this.#abort();
	}

	end(): void {
		this.#onEnd(this);
		this.#outer.removeEventListener("abort", this.#onOuterAbort);
	}

	#abort(): void {
		if (this.aborted) return;
		this.aborted = true;
		for (const listener of this.#listeners) listener();
	}
}

const none: readonly (() => void)[] = [];
