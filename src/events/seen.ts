// The events that a subscriber has handled, as far back as its memory goes.

/** By {@link ReceivedEvent.key}. What rejects is tried again within a bound. */
export interface Seen {
	has(key: string): boolean | Promise<boolean>;
	add(key: string): void | Promise<void>;
}

/** Keeps the last `max`, and ends with the process. */
export function createSeen(max: number): Seen {
	// A set keeps the order in which its members came.
	const keys = new Set<string>();
	return {
		has: (key) => keys.has(key),
		add(key) {
			keys.add(key);
			if (keys.size > max) for (const oldest of keys) return void keys.delete(oldest);
		},
	};
}
