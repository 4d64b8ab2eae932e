// The cache service from its start to its end: the store is opened, cold code is run warm, then callers are let in.
//
// What it runs on comes from outside, so that the same steps serve from sockets and in tests.
import type { Transport } from "@connectrpc/connect";
import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";
import type { Routes } from "../rpc/carrier.ts";
import { collectGarbage } from "../runtime.ts";
import type { WarmUpBounds } from "../warm-up-bounds.ts";
import type { BrokerView } from "./broker-view.ts";
import { createCache } from "./cache.ts";
import type { Store, StoreSettings } from "./store/store.ts";
import { warmUp } from "./warm-up.ts";

export interface CacheServer {
	readonly address: string;
	/** Accepts no more calls, and ends those that are open once they are answered. */
	close(): Promise<void>;
}

/** Where callers come from. */
export interface Listener extends CacheServer {
	/**
	 * Before the cache ends: what can wait for another one is left where it waits, and events are told no more. The listener
	 * bounds how long it takes; the cache ends after it.
	 */
	drain?(): Promise<void>;
	broker?(): Promise<BrokerView>;
}

export interface Connected {
	readonly transport: Transport;
	close(): Promise<void>;
}

export interface CachePorts {
	readonly settings: StoreSettings;
	readonly clock: Clock;
	readonly log: Pick<Logger, "debug" | "warn">;
	readonly openStore: () => Promise<Store>;
	/** An empty store of the same kind that is thrown away after the warm-up. */
	readonly openScratchStore: () => Promise<Store>;
	/** A client's way to these routes from within the process, as callers from outside reach them. */
	readonly connect: (routes: Routes) => Promise<Connected>;
	/** Lets callers in. */
	readonly listen: (routes: Routes, store: Store) => Promise<Listener>;
	/** What those who check its health are to be told from now on. */
	readonly setServing: (serving: boolean) => void;
	/** When it starts again, and the first time. */
	readonly warmUpBounds: { readonly hasty: WarmUpBounds; readonly thorough: WarmUpBounds };
	/** Runs a task after what else is to be done in this turn: jobs are as a rule given out after shops have their answers. */
	readonly later?: (task: () => void) => void;
	/** Ends the process. */
	readonly fail: (cause: unknown) => void;
}

/** How long callers are still told that nothing is promised, before a process whose store has failed ends, ms. */
const failGraceMs = 100;

export async function startCache(ports: CachePorts): Promise<CacheServer> {
	const { settings, clock, log, later } = ports;
	const store = await ports.openStore();
	/** What there is to close where the start fails. */
	let begun: Pick<Store, "close"> = store;
	try {
		// One that was open before has callers, and they are waiting.
		const how = store.boot > 1 ? "hasty" : "thorough";
		log.debug({ madeUp: await warmUpOnScratch(ports, how) }, "warmed up on made-up payments, of which none is kept");
		if (how === "thorough") collectGarbage();
		let server: Listener | undefined;
		const cache = createCache({
			store,
			clock,
			settings,
			...(later && { later }),
			broker: async () => server?.broker?.(),
			onFailed(cause) {
				ports.setServing(false);
				clock.after(failGraceMs, () => ports.fail(cause));
			},
		});
		begun = cache;
		const listener = await ports.listen(cache.routes, store);
		server = listener;
		ports.setServing(cache.serving);
		return {
			address: listener.address,
			async close() {
				ports.setServing(false);
				await listener.drain?.();
				// The streams end with the cache; the server then has only answers to finish.
				await Promise.all([cache.close(), listener.close()]);
			},
		};
	} catch (cause) {
		await begun.close();
		throw cause;
	}
}

/** A warm-up that fails is no reason not to serve, but somebody should know. */
async function warmUpOnScratch(ports: CachePorts, how: keyof CachePorts["warmUpBounds"]): Promise<number> {
	const { settings, clock, log } = ports;
	const onFailed = (cause: unknown) => log.warn({ err: cause }, "the warm-up's scratch store failed");
	try {
		const store = await ports.openScratchStore();
		const cache = createCache({ store, clock, settings, onFailed, messageGapMs: 0 });
		let connected: Connected | undefined;
		try {
			connected = await ports.connect(cache.routes);
			return await warmUp(connected.transport, clock, ports.warmUpBounds[how]);
		} finally {
			await cache.close();
			await connected?.close();
		}
	} catch (cause) {
		log.warn({ err: cause }, "the warm-up failed; the first calls will be slower");
		return 0;
	}
}
