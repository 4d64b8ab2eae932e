// Randomness that a seed repeats: what a run did can be done again.

/** Numbers in [0, 1). */
export type Random = () => number;

/** mulberry32: 32 bits of state, good enough to vary a load and a timetable. */
export function createRandom(seed: number): Random {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

/** A bijection of the 32-bit numbers that looks random: MurmurHash3's finalizer. */
export function mix32(n: number): number {
	let x = n;
	x ^= x >>> 16;
	x = Math.imul(x, 0x85ebca6b);
	x ^= x >>> 13;
	x = Math.imul(x, 0xc2b2ae35);
	x ^= x >>> 16;
	return x >>> 0;
}

/** The inverse of {@link mix32}: its factors' inverses modulo 2³², in reverse. */
export function unmix32(n: number): number {
	let x = n;
	x ^= x >>> 16;
	x = Math.imul(x, 0x7ed1b41d);
	x ^= (x >>> 13) ^ (x >>> 26);
	x = Math.imul(x, 0xa5cb9243);
	x ^= x >>> 16;
	return x >>> 0;
}
