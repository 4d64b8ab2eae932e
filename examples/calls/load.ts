// Makes calls, so many at a time, and says how long each took.

export interface Load {
	readonly calls: number;
	readonly concurrency: number;
}

export interface LoadResult {
	readonly p50Ms: number;
	readonly p99Ms: number;
	readonly perSecond: number;
}

/** Each of the callers makes its next call when it has its answer. Rejects with the first failure. */
export async function runLoad({ calls, concurrency }: Load, call: () => Promise<unknown>): Promise<LoadResult> {
	const latencies: number[] = [];
	let left = calls;
	const started = performance.now();
	const caller = async () => {
		while (left-- > 0) {
			const asked = performance.now();
			await call();
			latencies.push(performance.now() - asked);
		}
	};
	await Promise.all(Array.from({ length: concurrency }, caller));
	const tookMs = performance.now() - started;
	latencies.sort((a, b) => a - b);
	return {
		p50Ms: latencies[Math.floor(calls * 0.5)]!,
		p99Ms: latencies[Math.floor(calls * 0.99)]!,
		perSecond: (calls / tookMs) * 1000,
	};
}
