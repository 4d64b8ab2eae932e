// A bounded channel: who sends waits for room, who takes waits for items, and closing lets the takers finish what is in.

export interface Channel<T> extends AsyncIterable<T, void> {
	/** Puts an item in; false where there is no room, or it is closed. */
	offer(item: T): boolean;
	/** Puts an item in once there is room; resolves to false where it is closed. One sender waits at a time. */
	send(item: T): Promise<boolean>;
	readonly size: number;
	/** Nothing goes in any more; iterators end once it is empty. */
	close(): void;
}

export function createChannel<T>(capacityMax: number): Channel<T> {
	const items: T[] = [];
	/** The last one to come is served first: its code and data are still warm. */
	const takers: ((result: IteratorResult<T, void>) => void)[] = [];
	let wakeSender: (() => void) | undefined;
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
			const value = items.shift() as T;
			wakeSender?.();
			return Promise.resolve({ done: false, value });
		}
		if (closed) return Promise.resolve({ done: true, value: undefined });
		return new Promise((resolve) => takers.push(resolve));
	}

	return {
		offer,
		async send(item) {
			while (!offer(item)) {
				if (closed) return false;
				if (wakeSender) throw new Error("another sender waits for room already");
				await new Promise<void>((resolve) => {
					wakeSender = resolve;
				});
				wakeSender = undefined;
			}
			return true;
		},
		get size() {
			return items.length;
		},
		close() {
			if (closed) return;
			closed = true;
			wakeSender?.();
			for (const taker of takers.splice(0)) taker({ done: true, value: undefined });
		},
		[Symbol.asyncIterator]: () => ({
			next: take,
			return: () => Promise.resolve({ done: true as const, value: undefined }),
		}),
	};
}
