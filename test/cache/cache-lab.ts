// For tests of the whole cache service: its RPCs over a memory store in simulated time, without a socket.
import { type Client, createClient, createRouterTransport } from "@connectrpc/connect";
import { createCache } from "../../src/cache/cache.ts";
import { createStore } from "../../src/cache/store/group-commit.ts";
import { createMemoryRows } from "../../src/cache/store/memory-rows.ts";
import type { Rows } from "../../src/cache/store/rows.ts";
import type { StoreSettings } from "../../src/cache/store/store.ts";
import { ProcessorService } from "../../src/gen/payrelay/v1/processor_service_pb.ts";
import { QueueService } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import { StatsService } from "../../src/gen/payrelay/v1/stats_service_pb.ts";
import { createFakeClock } from "../fake-clock.ts";
import { storeSettings } from "./dispatch-lab.ts";

export function createCacheLab(options: { readonly rows?: Rows; readonly settings?: Partial<StoreSettings> } = {}) {
	const settings = { ...storeSettings, ...options.settings };
	const clock = createFakeClock();
	const failures: unknown[] = [];
	const cache = createCache({
		store: createStore(options.rows ?? createMemoryRows(), settings, { clock, random: () => 0.5 }),
		clock,
		settings,
		onFailed: (cause) => failures.push(cause),
	});
	const transport = createRouterTransport(cache.routes);
	const queue: Client<typeof QueueService> = createClient(QueueService, transport);
	const stats: Client<typeof StatsService> = createClient(StatsService, transport);
	const processors: Client<typeof ProcessorService> = createClient(ProcessorService, transport);

	/** The outcome of a call, moving time on by 1 ms at a time while it has none, for at most a second. */
	async function done<T>(call: Promise<T>): Promise<T> {
		let pending = true;
		const finished = call.finally(() => {
			pending = false;
		});
		finished.catch(() => {});
		for (let ms = 0; pending && ms < 1000; ms++) await clock.advance(1);
		if (pending) throw new Error("no outcome within a simulated second");
		return finished;
	}

	return { clock, cache, failures, queue, stats, processors, done };
}

/** What a stream gives, as a list that grows, and how it ended. */
export function follow<T>(stream: AsyncIterable<T>): { readonly items: T[]; end: unknown } {
	const followed: { items: T[]; end: unknown } = { items: [], end: undefined };
	const read = async () => {
		for await (const item of stream) followed.items.push(item);
	};
	void read().then(
		() => {
			followed.end = "done";
		},
		(error: unknown) => {
			followed.end = error;
		},
	);
	return followed;
}

/** A stream of requests that a test fills as it goes. */
export function requests<T>() {
	const waiting: T[] = [];
	let ended = false;
	let resume = () => {};
	return {
		send(request: T): void {
			waiting.push(request);
			resume();
		},
		end(): void {
			ended = true;
			resume();
		},
		async *[Symbol.asyncIterator](): AsyncGenerator<T> {
			for (;;) {
				const next = waiting.shift();
				if (next !== undefined) yield next;
				else if (ended) return;
				else
					await new Promise<void>((resolve) => {
						resume = resolve;
					});
			}
		},
	};
}
