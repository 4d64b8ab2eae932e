// The ids of a run's payments: random to whoever stores them, and yet each tells its number, so that millions need no map.
import { mix32, unmix32 } from "./random.ts";

export interface Ids {
	/** The id of the run's payment `n`, 0 to 2³² − 1: a UUID of version 4. */
	at(n: number): string;
	/** The number that an id stands for; `undefined` where it is none of this run's. */
	numberOf(id: string): number | undefined;
}

/**
 * The first 32 bits vary like random ones, because a store's index sees them first; the rest is the same for the whole
 * run. `nonce`: 16 random bytes, which keep the ids of two runs apart.
 */
export function createIds(nonce: Uint8Array): Ids {
	const key = new DataView(nonce.buffer, nonce.byteOffset).getUint32(0);
	const hex = Array.from(nonce, (byte) => byte.toString(16).padStart(2, "0")).join("");
	const tail = `-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
	return {
		at: (n) =>
			mix32(n ^ key)
				.toString(16)
				.padStart(8, "0") + tail,
		numberOf(id) {
			if (id.length !== 36 || !id.endsWith(tail)) return undefined;
			const mixed = Number.parseInt(id.slice(0, 8), 16);
			return Number.isNaN(mixed) ? undefined : (unmix32(mixed) ^ key) >>> 0;
		},
	};
}
