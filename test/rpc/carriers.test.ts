// Every carrier against the one contract; a further carrier is one more entry.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { connectHttp2 } from "../../src/rpc/http2-client.ts";
import { serveHttp2 } from "../../src/rpc/http2-server.ts";
import { type Carry, carrierContract } from "./carrier-contract.ts";
import { connectMemory } from "./memory.ts";

const http2 =
	(address: string): Carry =>
	async (routes, interceptors) => {
		const faults: unknown[] = [];
		// Connections may end as they like, and the tests' clients cut theirs.
		const onFault = (error: unknown, what: string) => what.startsWith("answering") && faults.push(error);
		const server = await serveHttp2({ routes, interceptors, addresses: [address], clock: systemClock, onFault });
		const client = connectHttp2(server.addresses[0]!);
		return {
			transport: client.transport,
			async close() {
				client.close();
				await server.close(1000);
				expect(faults).toEqual([]);
			},
		};
	};

carrierContract("R1 in memory", async (routes, interceptors) => ({
	transport: connectMemory(routes, interceptors),
	async close() {},
}));

carrierContract("R1 over HTTP/2 on TCP", http2("127.0.0.1:0"));

carrierContract("R1 over HTTP/2 on a unix socket", async (routes, interceptors) => {
	const folder = await mkdtemp(join(tmpdir(), "rpc-"));
	const server = await http2(`unix:${folder}/rpc.sock`)(routes, interceptors);
	return {
		transport: server.transport,
		async close() {
			await server.close();
			await rm(folder, { recursive: true });
		},
	};
});
