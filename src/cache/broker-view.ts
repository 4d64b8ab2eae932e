// How the cache is doing at the broker: what its figures tell of it.

export interface BrokerView {
	/** Messages by queue. */
	readonly queues: Readonly<Record<string, number>>;
	/** Totals since the start, by name. */
	readonly counters: Readonly<Record<string, number>>;
}
