// Gives jobs back to the queue that nobody works on any more, or ever did: each until the queue has answered, or until its
// time is over.
import type { Backoff } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import type { Hand, Hands } from "./hands.ts";
import type { Queue } from "./ports.ts";
import { untilAnswered } from "./work.ts";

export interface GiveBackOptions {
	readonly queue: Pick<Queue, "release">;
	readonly hands: Pick<Hands, "drop">;
	readonly clock: Clock;
	readonly random: () => number;
	/** Between repeats of a release that got no answer. */
	readonly pause: Backoff;
	/** For how long the release of one job is repeated, ms. */
	readonly eachMaxMs: number;
	/** Told of a queue that refuses a release for what it says. */
	readonly onError: (error: unknown) => void;
}

export interface GiveBack {
	/** The job stays in hand until the queue has answered, or its lease is gone anyhow. */
	add(hand: Hand): void;
	/** There is no more time: what has no answer yet is given up, and what is still added is asked for once. */
	cut(): void;
	/** Resolves when all that was added is over. */
	ended(): Promise<unknown>;
}

export function createGiveBack(options: GiveBackOptions): GiveBack {
	const { queue, hands, clock, random, pause, eachMaxMs, onError } = options;
	const outOfTime = new AbortController();
	const running = new Set<Promise<void>>();

	async function release(hand: Hand): Promise<void> {
		const over = new AbortController();
		const abort = (): void => over.abort();
		const cancel = clock.after(eachMaxMs, abort);
		if (outOfTime.signal.aborted) abort();
		else outOfTime.signal.addEventListener("abort", abort);
		try {
			await untilAnswered(() => queue.release(hand.job, hand.result), { clock, random, pause }, over.signal);
		} catch (error) {
			onError(error);
		} finally {
			cancel();
			outOfTime.signal.removeEventListener("abort", abort);
			hands.drop(hand);
		}
	}

	return {
		add(hand) {
			hand.ending = true;
			const released = release(hand).then(() => void running.delete(released));
			running.add(released);
		},
		cut: () => outOfTime.abort(),
		ended: () => Promise.all(running),
	};
}
