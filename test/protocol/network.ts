// The simulated network: each message may be late, lost, overtaken or delivered twice; links can be cut for a while.

import type { Weather } from "./weather.ts";
import type { World } from "./world.ts";

export interface Network {
	/**
	 * Delivers once, twice or never. `once`: never twice, as on a connection that takes a request only once. Returns
	 * whether it will arrive at all.
	 */
	send(link: string, deliver: () => void, once?: boolean): boolean;
	/** ms that a message takes now. */
	delayMs(): number;
	/** Loses everything on the link from now on for that long. */
	cut(link: string, forMs: number): void;
	/** Would a message on the link be lost now? */
	loses(link: string): boolean;
}

export function createNetwork(world: World, { network }: Weather): Network {
	const { prng } = world;
	const cutUntilMs = new Map<string, number>();

	const delayMs = (): number =>
		world.chaos && prng.chance(network.slow) ? prng.between(0, network.slowMs) : prng.between(0.05, 1);
	const loses = (link: string): boolean =>
		world.chaos && ((cutUntilMs.get(link) ?? 0) > world.nowMs || prng.chance(network.drop));

	return {
		delayMs,
		loses,
		send(link, deliver, once = false) {
			const lost = loses(link);
			if (lost) world.note(() => `  lost on ${link}`);
			else world.after(delayMs(), deliver);
			if (!once && world.chaos && prng.chance(network.duplicate)) world.after(delayMs(), deliver);
			return !lost;
		},
		cut(link, forMs) {
			cutUntilMs.set(link, world.nowMs + forMs);
		},
	};
}
