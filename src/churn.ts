// A Map and a Set whose entries come and go by the thousand: for what is held only while it is being worked on.
//
// When V8's own have used up their table they make another, and the old one points to it, for iterators that are still
// under way. A table that grew old while the service was idle so keeps every later one reachable until the next full
// collection, with all that was in it when it was left: what should die young is copied twice, and dies old. A table that
// is begun anew now and then cuts that chain.
//
// The same happens to what a function written right behind `some.property =` can see: V8 puts such a function among the
// old ones from the start. On hot paths it gets a name first. bench/churn.ts shows both.

/** A new table is begun when so many entries have gone, and at least as many as there are. */
const goneMax = 128;

export class ChurnMap<K, V> implements Iterable<[K, V]> {
	#entries = new Map<K, V>();
	#gone = 0;

	get size(): number {
		return this.#entries.size;
	}

	get(key: K): V | undefined {
		return this.#entries.get(key);
	}

	has(key: K): boolean {
		return this.#entries.has(key);
	}

	/**
	 * Not while it is iterated over: the iterator may go on over the table that was left, miss what is set, and meet what
	 * goes from then on.
	 */
	set(key: K, value: V): void {
		if (this.#gone >= goneMax && this.#gone >= this.#entries.size) {
			this.#entries = new Map(this.#entries);
			this.#gone = 0;
		}
		this.#entries.set(key, value);
	}

	delete(key: K): boolean {
		if (!this.#entries.delete(key)) return false;
		this.#gone++;
		return true;
	}

	/** Not while it is iterated over. */
	clear(): void {
		if (this.#entries.size === 0) return;
		this.#entries = new Map();
		this.#gone = 0;
	}

	keys(): IterableIterator<K> {
		return this.#entries.keys();
	}

	values(): IterableIterator<V> {
		return this.#entries.values();
	}

	[Symbol.iterator](): IterableIterator<[K, V]> {
		return this.#entries[Symbol.iterator]();
	}
}

export class ChurnSet<T> implements Iterable<T> {
	readonly #members = new ChurnMap<T, true>();

	get size(): number {
		return this.#members.size;
	}

	has(member: T): boolean {
		return this.#members.has(member);
	}

	/** Not while it is iterated over. */
	add(member: T): void {
		this.#members.set(member, true);
	}

	delete(member: T): boolean {
		return this.#members.delete(member);
	}

	clear(): void {
		this.#members.clear();
	}

	[Symbol.iterator](): IterableIterator<T> {
		return this.#members.keys();
	}
}
