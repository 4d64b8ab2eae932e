// A relay of bytes between two processes that cuts, delays, or goes dead on request.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleepMs } from "node:timers/promises";

/**
 * `pass`: bytes pass, `delayMs` later. `dead`: no byte passes and no line ends, in either direction. `mute`: what the
 * server says is not passed, what the client says is.
 */
export type ProxyMode = "pass" | "dead" | "mute";

export interface LineProxy {
	/** Where it listens, when that is a port. */
	readonly port: number;
	set(mode: ProxyMode, delayMs?: number): void;
	/** Ends open lines at once: every one, or every n-th. */
	cut(every?: number): void;
	/** How many lines are open. */
	lines(): number;
	close(): Promise<void>;
}

export type Place = { readonly port: number; readonly host?: string } | { readonly path: string };

/** Makes of what the server of one line says, chunk by chunk, what its client hears. */
export type Alter = (chunk: Buffer) => Buffer;

/** Listens on a free port unless told where. `alter` is asked for anew for each line. */
export async function startProxy(
	target: Place,
	place: Place = { port: 0, host: "127.0.0.1" },
	alter: () => Alter = () => (chunk) => chunk,
): Promise<LineProxy> {
	let mode: ProxyMode = "pass";
	let delayMs = 0;
	let changed = Promise.withResolvers<void>();
	const lines = new Set<() => void>();

	async function pump(from: Socket, to: Socket, passes: () => boolean, change: Alter): Promise<void> {
		for await (const chunk of from) {
			if (delayMs > 0) await sleepMs(delayMs);
			while (!passes() && !to.destroyed) await changed.promise;
			if (to.destroyed) return;
			if (!to.write(change(chunk))) await Promise.race([once(to, "drain"), once(to, "close")]);
		}
		to.end();
	}

	const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
		const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true });
		const end = (): void => {
			client.destroy();
			upstream.destroy();
			lines.delete(end);
		};
		lines.add(end);
		for (const socket of [client, upstream]) socket.on("error", end).on("close", end);
		// A line that breaks breaks on both sides, and there is nobody to tell.
		pump(
			client,
			upstream,
			() => mode !== "dead",
			(chunk) => chunk,
		).catch(end);
		pump(upstream, client, () => mode === "pass", alter()).catch(end);
	});
	server.listen(place);
	await once(server, "listening");
	const address = server.address();
	return {
		port: typeof address === "object" && address ? address.port : 0,
		set(next, ms = 0) {
			mode = next;
			delayMs = ms;
			changed.resolve();
			changed = Promise.withResolvers();
		},
		cut(every = 1) {
			for (const [n, end] of [...lines].entries()) if (n % every === 0) end();
		},
		lines: () => lines.size,
		async close() {
			for (const end of [...lines]) end();
			changed.resolve();
			await once(server.close(), "close");
		},
	};
}
