// The HTTP/2 carrier's own life: restarts, GOAWAY, closing within its bound, hostile peers, socket files.
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { connect as connectHttp2Raw } from "node:http2";
import { type AddressInfo, createServer as createNetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, createClient } from "@connectrpc/connect";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { QueueService } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
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
	const answers = createClient(QueueService, transport)
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

test("clients that hold their calls open for ever hold up closing no longer than the bound, and are told", async () => {
	const server = await serve(createCarrierLab().routes);
	const client = createClient(CarrierService, dial(server.addresses[0]!));
	const stream = client.count({ to: 1, how: "hang" })[Symbol.asyncIterator]();
	await stream.next();
	const calls = [failure(stream.next()), failure(client.unary({ how: "hang" }))];
	// On one connection calls arrive in their order.
	await client.unary({});
	await server.close(50);
	for (const error of await Promise.all(calls)) expect(error.code).toBe(Code.Unavailable);
});

test("a request without an authority, or with a wrong one, is refused and harms nobody", async () => {
	const server = await serve(createCarrierLab().routes);
	for (const authority of ["%%%", "a b", ":::", "http://["]) {
		const session = connectHttp2Raw(`http://${server.addresses[0]}`);
		session.on("error", () => {});
		const request = session.request({
			":method": "POST",
			":path": "/carrier.v1.CarrierService/Unary",
			":authority": authority,
			"content-type": "application/json",
		});
		let status: number | undefined;
		request.on("response", (headers) => {
			status = headers[":status"];
		});
		request.on("error", () => {});
		request.resume().end("{}");
		await new Promise((resolve) => request.once("close", resolve));
		session.destroy();
		expect(status).not.toBe(200);
	}
	expect((await createClient(CarrierService, dial(server.addresses[0]!)).unary({ text: "x" })).text).toBe("x");
});

test("a peer that opens and resets streams in masses loses its connection; others are served on", async () => {
	const server = await serve(createCarrierLab().routes, undefined, { resetsBurst: 50, resetsPerSecond: 1 });
	const session = connectHttp2Raw(`http://${server.addresses[0]}`);
	session.on("error", () => {});
	const gone = new Promise((resolve) => session.once("close", resolve));
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
	const silent = createNetServer(() => {});
	await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
	undo.push(() => silent.close());
	const client = createClient(CarrierService, dial(`127.0.0.1:${(silent.address() as AddressInfo).port}`));
	expect((await failure(client.unary({}, { timeoutMs: 50 }))).code).toBe(Code.DeadlineExceeded);
});

test("a caller that has given up opens no stream", async () => {
	const given = new AbortController();
	given.abort();
	let asked = false;
	const requests = {
		[Symbol.asyncIterator]: () => ({
			next() {
				asked = true;
				return new Promise<never>(() => {});
			},
		}),
	};
	const client = createClient(CarrierService, dial((await serve(createCarrierLab().routes)).addresses[0]!));
	const answers = client.echo(requests, { signal: given.signal })[Symbol.asyncIterator]();
	expect((await failure(answers.next())).code).toBe(Code.Canceled);
	expect(asked).toBe(false);
});

test("a call after its client was closed fails at once", async () => {
	const { addresses } = await serve(createCarrierLab().routes);
	const client = connectHttp2(addresses[0]!);
	undo.push(() => client.close());
	const caller = createClient(CarrierService, client.transport);
	const calls = () => [caller.unary({}), caller.count({ to: 1 })[Symbol.asyncIterator]().next()];
	await Promise.all(calls());
	client.close();
	for (const call of calls())
		expect(await failure(call)).toMatchObject({ code: Code.Unavailable, rawMessage: "the client is closed" });
});
