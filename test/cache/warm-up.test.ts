// The warm-up takes payments the whole way, and leaves nothing behind.
import { createRouterTransport, type Transport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { createCache } from "../../src/cache/cache.ts";
import { createStore } from "../../src/cache/store/group-commit.ts";
import { createMemoryRows } from "../../src/cache/store/memory-rows.ts";
import { warmUp } from "../../src/cache/warm-up.ts";
import { systemClock } from "../../src/clock.ts";
import { storeSettings } from "./dispatch-lab.ts";

test("payments are settled up to the bound, and the scratch service closes cleanly", async () => {
	const failures: unknown[] = [];
	const store = createStore(createMemoryRows(), storeSettings, { clock: systemClock, paceMs: 0 });
	const onFailed = (cause: unknown) => void failures.push(cause);
	const cache = createCache({ store, clock: systemClock, settings: storeSettings, onFailed });
	const transport = createRouterTransport(cache.routes);
	expect(await warmUp(transport, systemClock, { ms: 60_000, payments: 64 })).toBeGreaterThanOrEqual(64);
	await cache.close();
	expect(failures).toEqual([]);
});

test("one that ends before it has charged anything has opened no stream that nobody reads", async () => {
	const store = createStore(createMemoryRows(), storeSettings, { clock: systemClock, paceMs: 0 });
	const cache = createCache({ store, clock: systemClock, settings: storeSettings, onFailed() {} });
	const router = createRouterTransport(cache.routes);
	const opened: string[] = [];
	const transport: Transport = {
		...router,
		stream(method, ...rest) {
			opened.push(method.name);
			return router.stream(method, ...rest);
		},
	};
	expect(await warmUp(transport, systemClock, { ms: 0, payments: 64 })).toBe(0);
	expect(opened).toEqual(["EnqueueStream"]);
	await cache.close();
});
