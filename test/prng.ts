// One number makes every choice of what a test makes up: a small seeded generator (sfc32), so that a seed replays.

export interface Prng {
	/** In [0, 1). */
	next(): number;
	/** A whole number, both bounds included. */
	int(min: number, max: number): number;
	/** A whole number from 0 on. */
	below(bound: number): number;
	between(min: number, max: number): number;
	chance(probability: number): boolean;
	pick<T>(list: readonly T[]): T;
}

export function createPrng(seed: number): Prng {
	let a = seed | 0;
	let b = (seed / 2 ** 32) | 0;
	let c = 0x9e3779b9 | 0;
	let counter = 1;
	const next = (): number => {
		const t = (((a + b) | 0) + counter) | 0;
		counter = (counter + 1) | 0;
		a = b ^ (b >>> 9);
		b = (c + (c << 3)) | 0;
		c = (c << 21) | (c >>> 11);
		c = (c + t) | 0;
		return (t >>> 0) / 2 ** 32;
	};
	for (let i = 0; i < 12; i++) next();
	const int = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
	return {
		next,
		int,
		below: (bound) => int(0, bound - 1),
		between: (min, max) => min + next() * (max - min),
		chance: (probability) => probability > 0 && next() < probability,
		pick: (list) => list[int(0, list.length - 1)]!,
	};
}
