// How requests flow through a receiver: the broker's demand is bounded by the prefetch, each request is worked on by itself, and
// those of a method that is better served in batches are gathered first, so that they begin in the same turn.

export interface BatchRule {
	/** A batch begins when it has so many requests, */
	readonly sizeMax: number;
	/** or when its first one has waited so long, ms. */
	readonly waitMs: number;
}

export interface Pipeline<Item> {
	push(item: Item): void;
	/** Begins what waits at once, from now on without gathering, and resolves when nothing is under way. */
	drain(): Promise<void>;
}

export interface PipelineOptions<Item> {
	/** By the name that `batchOf` gives. */
	readonly rules: Readonly<Record<string, BatchRule>>;
	readonly batchOf: (item: Item) => string;
	/** Deals with one request to its end; never rejects. */
	readonly process: (item: Item) => Promise<void>;
	readonly after: (ms: number, task: () => void) => () => void;
}

interface Gathering<Item> {
	readonly items: Item[];
	readonly cancel: () => void;
}

export function createPipeline<Item>({ rules, batchOf, process, after }: PipelineOptions<Item>): Pipeline<Item> {
	const gathering = new Map<string, Gathering<Item>>();
	let underWay = 0;
	let draining = false;
	const onIdle: (() => void)[] = [];

	function begin(items: readonly Item[]): void {
		for (const item of items)
			void process(item).finally(() => {
				if (--underWay === 0) for (const resolve of onIdle.splice(0)) resolve();
			});
	}

	function release(name: string): void {
		const batch = gathering.get(name);
		if (batch === undefined) return;
		gathering.delete(name);
		batch.cancel();
		begin(batch.items);
	}

	return {
		push(item) {
			underWay++;
			const name = batchOf(item);
			const rule = rules[name];
			if (rule === undefined || draining) return begin([item]);
			const batch = gathering.get(name) ?? { items: [], cancel: after(rule.waitMs, () => release(name)) };
			gathering.set(name, batch);
			batch.items.push(item);
			if (batch.items.length >= rule.sizeMax) release(name);
		},
		async drain() {
			draining = true;
			for (const name of [...gathering.keys()]) release(name);
			while (underWay > 0)
				await new Promise<void>((resolve) => {
					onIdle.push(resolve);
				});
		},
	};
}
