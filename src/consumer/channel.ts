// A bounded channel: what finds no room is turned away, who takes waits for items, and closing lets the takers finish what
// is in.

export interface Channel<T> extends AsyncIterable<T, void> {
	/** Puts an item in; false where there is no room, or it is closed. */
	offer(item: T): boolean;
	/** Nothing goes in any more; iterators end once it is empty. */
	close(): void;
}

export function createChannel<T>(capacityMax: number): Channel<T> {
	const items: T[] = [];
	/** The last one to come is served first: its code and data are still warm. */
	const takers: ((result: IteratorResult<T, void>) => void)[] = [];
	let closed = false;

	function offer(item: T): boolean {
		if (closed) return false;
		const taker = takers.pop();
		if (taker) taker({ done: false, value: item });
		else if (items.length < capacityMax) items.push(item);
		else return false;
		return true;
	}

	function take(): Promise<IteratorResult<T, void>> {
		if (items.length > 0) {
			return Promise.resolve({ done: false, value: items.shift() as T });
		}
		if (closed) return Promise.resolve({ done: true, value: undefined });
		return new Promise((resolve) => takers.push(resolve));
	}

	return {
		offer,
		close() {
			if (closed) return;
			closed = true;
			for (const taker of takers.splice(0)) taker({ done: true, value: undefined });
		},
		[Symbol.asyncIterator]: () => ({ next: take }),
	};
}
