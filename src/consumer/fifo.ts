// A queue in memory whose both ends cost the same however long it is. Its users bound it.

export interface Fifo<T> {
	readonly size: number;
	push(item: T): void;
	peek(): T | undefined;
	shift(): T | undefined;
	/** Takes all out. */
	clear(): T[];
}

/** So many taken items are kept before the array is cut. */
const slackMax = 1024;

export function createFifo<T>(): Fifo<T> {
	let items: (T | undefined)[] = [];
	let head = 0;
	return {
		get size() {
			return items.length - head;
		},
		push(item) {
			items.push(item);
		},
		peek: () => items[head],
		shift() {
			if (head === items.length) return undefined;
			const item = items[head];
			// What is taken must not be kept alive until the array is cut.
			items[head++] = undefined;
			if (head === items.length || head >= slackMax) {
				items = items.slice(head);
				head = 0;
			}
			return item;
		},
		clear() {
			const rest = items.slice(head) as T[];
			items = [];
			head = 0;
			return rest;
		},
	};
}
