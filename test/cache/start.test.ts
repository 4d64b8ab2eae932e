// The service lets nobody in before it is warm, ends in order, and tells its callers before it fails.
import { Code, ConnectError, createClient, createRouterTransport, type Transport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { type CachePorts, startCache } from "../../src/cache/start.ts";
import { createStore } from "../../src/cache/store/group-commit.ts";
import { createMemoryRows } from "../../src/cache/store/memory-rows.ts";
import { systemClock } from "../../src/clock.ts";
import { QueueService } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import type { Routes } from "../../src/rpc/carrier.ts";
import { createFakeClock } from "../fake-clock.ts";
import { storeSettings } from "./dispatch-lab.ts";

const id = "5c1e8a2d-7d9b-4f25-8f0e-0d4f1c0a9b11";
const connect = (routes: Routes): Transport => createRouterTransport(routes);

function createPorts(changes: Partial<CachePorts> = {}) {
	const events: string[] = [];
	const open: { transport?: Transport; serving?: boolean } = {};
	const log = { debug: (_: unknown, what: string) => void events.push(what), warn: () => void events.push("warned") };
	const ports: CachePorts = {
		settings: storeSettings,
		clock: systemClock,
		log: log as unknown as CachePorts["log"],
		openStore: async () => {
			events.push("opened");
			const store = createStore(createMemoryRows(), storeSettings, { clock: systemClock });
			return { ...store, close: () => store.close().then(() => void events.push("closed")) };
		},
		openScratchStore: async () => createStore(createMemoryRows(), storeSettings, { clock: systemClock, paceMs: 0 }),
		connect: async (routes) => ({ transport: connect(routes), close: async () => {} }),
		setServing(serving) {
			open.serving = serving;
		},
		listen: async (routes) => {
			events.push("listening");
			open.transport = connect(routes);
			return { address: "here", close: async () => void events.push("stopped") };
		},
		warmUpBounds: { hasty: { ms: 60_000, payments: 32 }, thorough: { ms: 60_000, payments: 32 } },
		fail: (cause) => void events.push(`failed: ${cause}`),
		...changes,
	};
	return { ports, events, open };
}

test("callers are let in once the store is open and the code is warm, and nothing is left when it ends", async () => {
	const { ports, events, open } = createPorts();
	const server = await startCache(ports);
	expect(server.address).toBe("here");
	expect(events).toEqual(["opened", "warmed up on made-up payments, of which none is kept", "listening"]);
	expect(open.serving).toBe(true);
	await createClient(QueueService, open.transport!).enqueue({ id, amountCents: 5n });
	await server.close();
	expect(events.slice(3).sort()).toEqual(["closed", "stopped"]);
	expect(open.serving).toBe(false);
});

test("one that was open before lets its callers wait less for warm code", async () => {
	let boot = 1;
	const store = createStore(createMemoryRows(), storeSettings, { clock: systemClock });
	const warmUps: object[] = [];
	const { ports } = createPorts({
		openStore: async () => ({ ...store, boot, close: async () => {} }),
		log: { debug: (what: object) => void warmUps.push(what), warn: () => {} } as unknown as CachePorts["log"],
		warmUpBounds: { hasty: { ms: 60_000, payments: 16 }, thorough: { ms: 60_000, payments: 32 } },
	});
	await (await startCache(ports)).close();
	boot++;
	await (await startCache(ports)).close();
	expect(warmUps).toEqual([{ madeUp: 32 }, { madeUp: 16 }]);
});

test("a warm-up that fails is told, and the service starts all the same", async () => {
	const { ports, events } = createPorts({
		connect: () => {
			throw new Error("broken");
		},
	});
	const server = await startCache(ports);
	expect(events).toContain("warned");
	expect(events).toContain("listening");
	await server.close();
});

test("an address that cannot be had closes the store again, and leaves no timer", async () => {
	const clock = createFakeClock();
	const { ports, events } = createPorts({ clock, listen: () => Promise.reject(new Error("in use")) });
	await expect(startCache(ports)).rejects.toThrow("in use");
	expect(events).toContain("closed");
	expect(clock.pending()).toBe(0);
});

test("when the store fails, callers are told before the process ends", async () => {
	const clock = createFakeClock();
	const rows = createMemoryRows();
	const { ports, events, open } = createPorts({
		clock,
		openStore: async () => createStore(rows, storeSettings, { clock }),
		openScratchStore: async () => createStore(createMemoryRows(), storeSettings, { clock }),
		warmUpBounds: { hasty: { ms: 0, payments: 0 }, thorough: { ms: 0, payments: 0 } },
	});
	const starting = startCache(ports);
	await clock.advance(10);
	await starting;
	rows.sync = () => Promise.reject(new Error("no space left on device"));
	const refused = createClient(QueueService, open.transport!).enqueue({ id, amountCents: 5n });
	expect(ConnectError.from(await refused.catch((error: unknown) => error)).code).toBe(Code.Unavailable);
	expect(open.serving).toBe(false);
	expect(events.join()).not.toContain("failed");
	await clock.advance(100);
	expect(events.at(-1)).toMatch(/^failed: StoreFailed/);
});
