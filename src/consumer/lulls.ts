// Tells when nothing is settled for a while after much was: mostly the processors are away, and payments begin to wait.
//
// What ends a lull is the work that has gathered in it. V8 would collect the old garbage in the midst of that, where a
// collection of 20 ms stops a service on a part of a CPU for up to 100, and the answers of hundreds of charges wait for
// their commit; in the lull nobody waits for it.
import type { Clock } from "../clock.ts";

/** Long enough not to be mistaken for a pause between two batches. */
const lookEveryMs = 1_000;
/** Fewer leave little behind. */
const settledMin = 1_000;

export interface LullsOptions {
	readonly clock: Clock;
	/** How many payments were ever settled. */
	readonly settled: () => number;
	/** Called once in each lull. */
	readonly onLull: () => void;
}

/** Looks out for lulls until it is called. */
export function watchLulls({ clock, settled, onLull }: LullsOptions): () => void {
	let atLastLull = settled();
	let atLastLook = atLastLull;
	let cancel = clock.after(lookEveryMs, look);

	function look(): void {
		const now = settled();
		if (now === atLastLook && now - atLastLull >= settledMin) {
			atLastLull = now;
			onLull();
		}
		atLastLook = now;
		cancel = clock.after(lookEveryMs, look);
	}

	return () => cancel();
}
