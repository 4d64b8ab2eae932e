// The HTTP/2 carrier's own life: restarts, GOAWAY, closing within its bound, hostile peers, socket files.
import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { connect as connectHttp2Raw, createServer } from "node:http2";
import { type AddressInfo, connect, createServer as createNetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, createClient } from "@connectrpc/connect";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { createBatchClient } from "../../src/rpc/batch-client.ts";
import { enqueueBatches } from "../../src/rpc/batch-methods.ts";
import type { Routes, RpcServer } from "../../src/rpc/carrier.ts";
import { connectHttp2 } from "../../src/rpc/http2-client.ts";
import { type Http2Limits, http2Limits, serveHttp2 } from "../../src/rpc/http2-server.ts";
import { acceptAll, batchRoutes, createHeld, payment } from "./batch-lab.ts";
import { failure } from "./carrier-contract.ts";
import { createCarrierLab } from "./carrier-service.ts";
import { CarrierService } from "./gen/carrier/v1/carrier_pb.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
	for (const step of undo.splice(0).reverse()) await step();
});

async function serve(
	routes: Routes,
	addresses = ["127.0.0.1:0"],
	limits: Partial<Http2Limits> = {},
): Promise<RpcServer> {
	const options = { routes, addresses, clock: systemClock, onFault() {} };
	const server = await serveHttp2(options, { ...http2Limits, ...limits });
	undo.push(() => server.close(0));
	return server;
}

function dial(address: string) {
	const client = connectHttp2(address);
	undo.push(() => client.close());
	return client.transport;
}

async function folder(): Promise<string> {
	const path = await mkdtemp(join(tmpdir(), "rpc-"));
	undo.push(() => rm(path, { recursive: true }));
	return path;
}

test("one server listens on several addresses", async () => {
	const server = await serve(createCarrierLab().routes, ["127.0.0.1:0", `unix:${await folder()}/a.sock`]);
	for (const address of server.addresses) {
		expect((await createClient(CarrierService, dial(address)).unary({ text: "x" })).text).toBe("x");
	}
});

test("an address that somebody else has is refused, and nothing is left listening", async () => {
	const taken = (await serve(createCarrierLab().routes)).addresses[0]!;
	const path = `${await folder()}/a.sock`;
	await expect(serve(createCarrierLab().routes, [`unix:${path}`, taken])).rejects.toThrow("EADDRINUSE");
	await expect(stat(path)).rejects.toThrow("ENOENT");
});

test("the socket file of a killed server is no hindrance; that of a living one is left alone", async () => {
	const path = `${await folder()}/a.sock`;
	await writeFile(path, "");
	await rm(path);
	const living = await serve(createCarrierLab().routes, [`unix:${path}`]);
	await expect(serve(createCarrierLab().routes, [`unix:${path}`])).rejects.toThrow("EADDRINUSE");
	expect((await createClient(CarrierService, dial(living.addresses[0]!)).unary({ text: "x" })).text).toBe("x");
});

test("a client goes on by itself after a restart of its server", async () => {
	const address = `unix:${await folder()}/a.sock`;
	const first = await serve(createCarrierLab().routes, [address]);
	const client = createClient(CarrierService, dial(address));
	await client.unary({});
	await first.close(0);
	expect((await failure(client.unary({}))).code).toBe(Code.Unavailable);
	await serve(createCarrierLab().routes, [address]);
	expect((await client.unary({ text: "again" })).text).toBe("again");
});

test("batches that a killed server left unanswered are answered by its successor", async () => {
	const address = `unix:${await folder()}/a.sock`;
	const held = createHeld();
	const first = await serve(batchRoutes(held.handle), [address]);
	const client = createBatchClient({
		transport: dial(address),
		batches: enqueueBatches,
		clock: systemClock,
		random: Math.random,
		bounds: { deadlineMs: 10_000 },
	});
	const calls = [1, 2, 3].map((n) => client.call(payment(n)));
	while (held.batches.length === 0) await new Promise((resolve) => setImmediate(resolve));
	await first.close(0);
	await serve(batchRoutes(acceptAll), [address]);
	expect(await Promise.all(calls)).toEqual([1, 1, 1]);
	expect(client.figures().itemsRepeated).toBeGreaterThanOrEqual(3);
	await client.close(1000);
});

test("a server that closes answers what it has, refuses what is new, and sends away idle clients", async () => {
	const held = createHeld();
	const server = await serve(batchRoutes(held.handle));
	const transport = dial(server.addresses[0]!);
	const stream = (await import("../../src/gen/payrelay/v1/queue_service_pb.ts")).QueueService;
	const answers = createClient(stream, transport)
		.enqueueStream(
			(async function* () {
				yield { batch: 1, payments: [payment(1)] };
			})(),
		)
		[Symbol.asyncIterator]();
	const first = answers.next();
	while (held.batches.length === 0) await new Promise((resolve) => setImmediate(resolve));
	const closed = server.close(10_000);
	held.batches[0]!.answer();
	expect((await first).value).toMatchObject({ batch: 1 });
	expect((await answers.next()).done).toBe(true);
	await closed;
});

test("a client that holds its stream open for ever holds up closing no longer than the bound", async () => {
	const lab = createCarrierLab();
	const server = await serve(lab.routes);
	const call = failure(
		createClient(CarrierService, dial(server.addresses[0]!))
			.count({ to: 1, how: "hang" })
			[Symbol.asyncIterator]()
			.next()
			.then(() => createClient(CarrierService, dial(server.addresses[0]!)).unary({ how: "hang" })),
	);
	// Both calls are at the server once the second connection has been accepted and a third call answered.
	await createClient(CarrierService, dial(server.addresses[0]!)).unary({});
	await server.close(50);
	expect([Code.Unavailable, Code.Canceled, Code.Aborted]).toContain((await call).code);
});

test("GOAWAY on an idle connection, and a call before its socket has closed, end neither the client nor the call", async () => {
	const uncaught: unknown[] = [];
	const note = (error: unknown) => uncaught.push(error);
	process.on("uncaughtException", note);
	undo.push(() => process.off("uncaughtException", note));
	const server = await serve(createCarrierLab().routes);
	const port = Number(server.addresses[0]!.split(":")[1]);
	// A proxy that swallows the client's FIN for a while: the socket stays half closed, as behind a slow balancer.
	const sockets = new Set<ReturnType<typeof connect>>();
	const proxy = createNetServer({ allowHalfOpen: true }, (near) => {
		const far = connect(port, "127.0.0.1");
		for (const socket of [near, far]) {
			sockets.add(socket);
			socket.on("error", () => {});
		}
		near.pipe(far, { end: false });
		far.pipe(near, { end: false });
	});
	await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
	undo.push(() => {
		for (const socket of sockets) socket.destroy();
		proxy.close();
	});
	const client = createClient(CarrierService, dial(`127.0.0.1:${(proxy.address() as AddressInfo).port}`));
	for (let round = 0; round < 20; round++) {
		await client.unary({});
		const goaway = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
		for (const socket of sockets) if (socket.localPort === (proxy.address() as AddressInfo).port) socket.write(goaway);
		for (let turns = 0; turns < round; turns++) await new Promise((resolve) => setImmediate(resolve));
		expect((await client.unary({ text: "after" })).text).toBe("after");
	}
	for (const socket of sockets) socket.destroy();
	await new Promise((resolve) => setImmediate(resolve));
	expect(uncaught).toEqual([]);
});

test("a request without an authority, or with a wrong one, is refused and harms nobody", async () => {
	const server = await serve(createCarrierLab().routes);
	const session = connectHttp2Raw(`http://${server.addresses[0]}`);
	undo.push(() => session.destroy());
	for (const authority of ["%%%", "a b", ":::", "http://["]) {
		const request = session.request({
			":method": "POST",
			":path": "/carrier.v1.CarrierService/Unary",
			":authority": authority,
			"content-type": "application/json",
		});
		request.on("error", () => {});
		request.end("{}");
		const [headers] = await Promise.race([
			once(request, "response"),
			once(request, "close").then(() => [{ ":status": 0 }]),
		]);
		expect(headers[":status"]).not.toBe(200);
	}
	expect((await createClient(CarrierService, dial(server.addresses[0]!)).unary({ text: "x" })).text).toBe("x");
});

test("a peer that opens and resets streams in masses loses its connection; others are served on", async () => {
	const server = await serve(createCarrierLab().routes, undefined, { resetsBurst: 50, resetsPerSecond: 1 });
	const session = connectHttp2Raw(`http://${server.addresses[0]}`);
	session.on("error", () => {});
	const gone = once(session, "close");
	const healthy = createClient(CarrierService, dial(server.addresses[0]!));
	const burst = setInterval(() => {
		for (let i = 0; i < 50 && !session.closed && !session.destroyed; i++) {
			const request = session.request({ ":method": "POST", ":path": "/carrier.v1.CarrierService/Unary" });
			request.on("error", () => {});
			request.close(8);
		}
	}, 5);
	undo.push(() => clearInterval(burst));
	await gone;
	expect((await healthy.unary({ text: "x" })).text).toBe("x");
});

test("a server that accepts connections and says nothing costs a call its deadline, not more", async () => {
	const mute = createServer();
	const silent = createNetServer(() => {});
	await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
	undo.push(
		() => silent.close(),
		() => mute.close(),
	);
	const client = createClient(CarrierService, dial(`127.0.0.1:${(silent.address() as AddressInfo).port}`));
	expect((await failure(client.unary({}, { timeoutMs: 50 }))).code).toBe(Code.DeadlineExceeded);
});
