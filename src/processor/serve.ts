// A simulated processor on a port: the one call that starts it, and the one that ends it.
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { type Clock, systemClock } from "../clock.ts";
import { createProcessorApp } from "./app.ts";
import { createFeeRate } from "./fee.ts";
import { createProcessor } from "./processor.ts";

export interface ServeProcessorOptions {
	/** How it calls itself in its figures: `default` or `fallback`. */
	readonly name: string;
	readonly host?: string;
	/** 0 takes a free one. */
	readonly port: number;
	/** The fee as a decimal part of the amount, such as `0.05`. */
	readonly feeRate: string;
	readonly token?: string;
	readonly clock?: Clock;
	readonly random?: () => number;
}

export interface ServedProcessor {
	readonly port: number;
	/** Cuts every line, forgets every charge that has not happened yet, and frees the port. */
	close(): Promise<void>;
}

/** As long as the real processors' server keeps idle connections: a shorter one would cut lines that callers reuse. */
const keepAliveTimeoutMs = 130_000;
const headersTimeoutMs = 30_000;
/** Connections that may wait to be accepted: all that the limiter admits, in one burst. */
const backlogMax = 2048;

/** Rejects when the address cannot be had. */
export async function serveProcessor(options: ServeProcessorOptions): Promise<ServedProcessor> {
	const { name, host = "127.0.0.1", port, feeRate, clock = systemClock, ...rest } = options;
	const processor = createProcessor({ clock, ...rest });
	const server = createAdaptorServer({
		fetch: createProcessorApp(name, processor, createFeeRate(feeRate)).fetch,
		serverOptions: { keepAliveTimeout: keepAliveTimeoutMs, headersTimeout: headersTimeoutMs },
	}) as Server;
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject);
		server.listen({ port, host, backlog: backlogMax }, resolve);
	});
	// One connection that cannot be accepted is no reason to end.
	server.on("error", (error) => process.emitWarning(error));
	return {
		port: (server.address() as AddressInfo).port,
		close: () =>
			new Promise((resolve, reject) => {
				processor.stop();
				server.close((error) => (error ? reject(error) : resolve()));
				server.closeAllConnections();
			}),
	};
}
