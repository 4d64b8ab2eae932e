// A queue in memory whose both ends cost the same however long it is. Its users bound it.
//
// A ring: an array that is cut and grows again is copied by the kilobyte, and so is what the collector has to look at.

export interface Fifo<T> {
	readonly size: number;
	push(item: T): void;
	peek(): T | undefined;
	shift(): T | undefined;
	/** Takes all out. */
	clear(): T[];
}

/** A power of two, as are all its later ones. */
const roomMin = 16;

export function createFifo<T>(): Fifo<T> {
	let ring = newRing<T>(roomMin);
	/** Where the first one is. */
	let head = 0;
	let size = 0;

	function at(place: number): number {
		return (head + place) & (ring.length - 1);
	}

	function all(): T[] {
		return Array.from({ length: size }, (_, place) => ring[at(place)]!);
	}

	return {
		get size() {
			return size;
		},
		push(item) {
			if (size === ring.length) {
				const items = all();
				ring = newRing(2 * size);
				head = 0;
				for (let i = 0; i < size; i++) ring[i] = items[i];
			}
			ring[at(size++)] = item;
		},
		peek: () => (size > 0 ? ring[head] : undefined),
		shift() {
			if (size === 0) return undefined;
			const item = ring[head];
			// What is taken must not be kept alive.
			ring[head] = undefined;
			head = at(1);
			size--;
			return item;
		},
		clear() {
			const items = all();
			ring = newRing(roomMin);
			head = 0;
			size = 0;
			return items;
		},
	};
}

function newRing<T>(room: number): (T | undefined)[] {
	return new Array<T | undefined>(room).fill(undefined);
}
