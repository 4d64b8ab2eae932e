// The served cache: over a unix socket and TCP, checked, described, with its health, and gone when it is closed.
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { type CacheProcessSettings, serveCache } from "../../src/cache/serve.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { EnqueueOutcome, QueueService } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import type { Logger } from "../../src/log.ts";
import { connectHttp2 } from "../../src/rpc/http2-client.ts";
import { noBroker } from "../amqp/settings.ts";
import { storeSettings } from "./dispatch-lab.ts";

const id = "5c1e8a2d-7d9b-4f25-8f0e-0d4f1c0a9b11";
const settings: Omit<CacheProcessSettings, "addresses" | "dataDir"> = {
	...storeSettings,
	...noBroker,
	store: "memory",
	closeMs: 2000,
};

let folder: string;
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), "cache-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("serves both addresses, refuses what breaks the contract, and ends its streams when it stops", async () => {
	const warnings: unknown[] = [];
	const log = { debug() {}, warn: (...what: unknown[]) => void warnings.push(what.at(-1)), error() {} };
	const fail = (cause: unknown) => expect.unreachable(String(cause));
	const addresses = [`unix:${join(folder, "rpc.sock")}`, "127.0.0.1:0"];
	const server = await serveCache({ ...settings, dataDir: folder, addresses }, log as unknown as Logger, fail);
	expect(warnings.join()).toContain("memory");

	const [first, second] = server.address.split("  ").map((address) => connectHttp2(address));
	const queue = createClient(QueueService, first!.transport);
	expect(await queue.enqueue({ id, amountCents: 5n })).toMatchObject({ outcome: EnqueueOutcome.ACCEPTED });
	const refused = await queue.enqueue({ id: "x", amountCents: 0n }).catch((error: unknown) => error);
	expect(ConnectError.from(refused).code).toBe(Code.InvalidArgument);

	const overTcp = createClient(QueueService, second!.transport);
	const jobs = overTcp.dequeueBatch({ sessionId: "a", credit: 1 })[Symbol.asyncIterator]();
	await jobs.next();
	expect((await jobs.next()).value?.jobs[0]).toMatchObject({ id });
	const health = createClient(Health, second!.transport);
	expect(await health.check({ service: QueueService.typeName })).toMatchObject({ status: Status.SERVING });

	const closing = server.close();
	const end = await jobs.next().catch((error: unknown) => error);
	expect(ConnectError.from(end).code).toBe(Code.Unavailable);
	await closing;
	for (const client of [first, second]) client?.close();
});

test("where an address cannot be had, it no longer looks for its broker either", async () => {
	let met = 0;
	const broker = createServer((socket) => {
		met++;
		socket.destroy();
	});
	await once(broker.listen(0, "127.0.0.1"), "listening");
	vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"], shouldAdvanceTime: true, advanceTimeDelta: 1 });
	onTestFinished(() => {
		vi.useRealTimers();
		broker.close();
	});
	const log = { debug() {}, warn() {}, error() {} };
	const { port } = broker.address() as AddressInfo;
	const amqpUrl = `amqp://127.0.0.1:${port}`;
	const addresses = [`unix:${join(folder, "absent", "rpc.sock")}`];
	const serving = serveCache(
		{ ...settings, dataDir: folder, events: "amqp", amqpUrl, addresses },
		log as unknown as Logger,
		() => {},
	);
	await expect(serving).rejects.toThrow(/rpc\.sock/);
	const before = met;
	await vi.advanceTimersByTimeAsync(10_000);
	// Who came earlier is met earlier.
	await once(connect(port, "127.0.0.1"), "close");
	expect(met - before).toBe(1);
});

test("a data folder that cannot be one is refused as any other setting is: by its name, its value and what was expected", async () => {
	const dataDir = join(folder, "file");
	await writeFile(dataDir, "");
	const log = { debug() {}, warn() {}, error() {} };
	const serving = serveCache({ ...settings, dataDir, addresses: ["127.0.0.1:0"] }, log as unknown as Logger, () => {});
	await expect(serving).rejects.toThrow(
		`DATA_DIR is ${dataDir}. Expected a folder, or a path where one can be made (EEXIST: file already exists`,
	);
});
