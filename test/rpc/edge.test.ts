// What callers and tools meet at the edge: validation, health, reflection through the real buf, and the trace.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { ViolationsSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Code, createClient, createContextValues } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { EnqueueOutcome, QueueService } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import { type Proof, StatsService } from "../../src/gen/payrelay/v1/stats_service_pb.ts";
import type { RpcServer } from "../../src/rpc/carrier.ts";
import { edgeInterceptors } from "../../src/rpc/edge.ts";
import { createHealth, watchesMax } from "../../src/rpc/health.ts";
import { serveHttp2 } from "../../src/rpc/http2-server.ts";
import { reflectionRoutes } from "../../src/rpc/reflection.ts";
import { traceparentKey } from "../../src/rpc/trace.ts";
import { createValidation, violationsMax } from "../../src/rpc/validate.ts";
import { failure } from "./carrier-contract.ts";
import { connectMemory } from "./memory.ts";
import { traceToServer } from "./trace-to-server.ts";

const services = [QueueService, StatsService];
const validation = createValidation();
const interceptors = edgeInterceptors(validation, () => {});
let server: RpcServer;

beforeAll(async () => {
	validation.warm(services);
	server = await serveHttp2({
		routes(router) {
			router.service(StatsService, {
				summary: () => ({ default: { count: 3n, amountCents: 5970n }, fallback: {}, rowsVisited: 7 }),
			});
			createHealth(services.map(({ typeName }) => typeName)).routes(router);
			reflectionRoutes([...services, Health])(router);
		},
		interceptors,
		addresses: ["127.0.0.1:0"],
		clock: systemClock,
		onFault() {},
	});
});
afterAll(() => server.close(0));

async function bufCurl(...args: string[]): Promise<string> {
	const url = `http://${server.addresses[0]}`;
	const withUrl = args.map((arg) => arg.replace("URL", url));
	const { stdout } = await promisify(execFile)(
		"node_modules/.bin/buf",
		["curl", "--http2-prior-knowledge", ...withUrl],
		{
			timeout: 20_000,
		},
	);
	return stdout;
}

test("buf curl lists the services without a schema", { timeout: 30_000 }, async () => {
	expect((await bufCurl("URL", "--list-services")).trim().split("\n")).toEqual([
		"grpc.health.v1.Health",
		"grpc.reflection.v1.ServerReflection",
		"payrelay.v1.QueueService",
		"payrelay.v1.StatsService",
	]);
	expect(await bufCurl("URL", "--list-methods")).toContain("payrelay.v1.StatsService/Summary");
});

test("buf curl calls a method without a schema, in each protocol", { timeout: 60_000 }, async () => {
	for (const protocol of ["connect", "grpc", "grpcweb"]) {
		const answer = await bufCurl("--protocol", protocol, "-d", "{}", "URL/payrelay.v1.StatsService/Summary");
		expect(JSON.parse(answer)).toEqual({ default: { count: "3", amountCents: "5970" }, fallback: {}, rowsVisited: 7 });
	}
});

test("a request that breaks rules is told which, where, and no more than a bound of them", async () => {
	const stats = createClient(
		StatsService,
		connectMemory((router) => void router.service(StatsService, {}), interceptors),
	);
	const error = await failure(stats.insertStats({ settlements: [{ id: "x", epoch: 1n, proof: 9 as Proof }] }));
	expect(error.code).toBe(Code.InvalidArgument);
	const [detail] = error.findDetails(ViolationsSchema);
	expect(detail!.violations.map(({ ruleId }) => ruleId)).toEqual(["string.uuid", "required", "enum.defined_only"]);
	expect(error.rawMessage).toContain("settlements[0].id");
	const many = Array.from({ length: 1000 }, () => ({ id: "x" }));
	const [capped] = (await failure(stats.insertStats({ settlements: many }))).findDetails(ViolationsSchema);
	expect(capped!.violations).toHaveLength(violationsMax);
	const inverted = stats.summary({ from: { seconds: 2n }, to: { seconds: 1n } });
	expect((await failure(inverted)).rawMessage).toContain("from must not be after to");
});

test("a batch that breaks a rule ends its stream, and the batches before it are answered", async () => {
	const queue = createClient(
		QueueService,
		connectMemory(
			(router) =>
				void router.service(QueueService, {
					async *enqueueStream(requests) {
						for await (const { batch } of requests) yield { batch, outcomes: [EnqueueOutcome.ACCEPTED] };
					},
				}),
			interceptors,
		),
	);
	const id = "0a7c2c5e-5b0e-4f0a-9d7f-3f3c8f0a1b2c";
	async function* requests() {
		yield { batch: 1, payments: [{ id, amountCents: 1n }] };
		yield { batch: 2, payments: [{ id, amountCents: 0n }] };
	}
	const answers = queue.enqueueStream(requests())[Symbol.asyncIterator]();
	expect((await answers.next()).value).toMatchObject({ batch: 1, outcomes: [EnqueueOutcome.ACCEPTED] });
	const error = await failure(answers.next());
	expect(error.code).toBe(Code.InvalidArgument);
	expect(error.rawMessage).toContain("payments[0].amount_cents");
});

test("health tells each service's state, and those who watch are told each change", async () => {
	const health = createHealth(["a.B"]);
	const client = createClient(Health, connectMemory(health.routes));
	expect((await client.check({ service: "a.B" })).status).toBe(2);
	expect((await failure(client.check({ service: "nobody" }))).code).toBe(Code.NotFound);
	const watch = client.watch({ service: "a.B" })[Symbol.asyncIterator]();
	expect((await watch.next()).value?.status).toBe(2);
	health.set("a.B", true);
	expect((await watch.next()).value?.status).toBe(1);
	expect((await client.list({})).statuses).toMatchObject({ "": { status: 2 }, "a.B": { status: 1 } });
	const unknown = client.watch({ service: "nobody" })[Symbol.asyncIterator]();
	expect((await unknown.next()).value?.status).toBe(3);
	const last = failure(watch.next());
	health.close();
	expect((await last).code).toBe(Code.Unavailable);
	expect((await client.check({ service: "a.B" })).status).toBe(2);
});

test("watches of health are bounded, and one that ends makes room", async () => {
	const health = createHealth([]);
	const client = createClient(Health, connectMemory(health.routes));
	const cut = new AbortController();
	for (let i = 0; i < watchesMax; i++) {
		await client
			.watch({}, i === 0 ? { signal: cut.signal } : {})
			[Symbol.asyncIterator]()
			.next();
	}
	const next = () => client.watch({})[Symbol.asyncIterator]().next();
	expect((await failure(next())).code).toBe(Code.ResourceExhausted);
	cut.abort();
	await new Promise((resolve) => setImmediate(resolve));
	expect((await next()).value?.status).toBe(2);
	health.close();
});

test("a call's trace reaches its handler, and goes on with the calls that the handler makes; nonsense does not", async () => {
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	const seen: (string | undefined)[] = [];
	const inner = connectMemory(
		(router) =>
			void router.service(Health, {
				check(_, { values }) {
					seen.push(values.get(traceparentKey));
					return {};
				},
			}),
		[...interceptors],
	);
	const outer = createClient(Health, {
		unary: (method, signal, timeoutMs, header, input, contextValues) =>
			traceToServer((request) =>
				inner.unary(method, signal, timeoutMs, request.header, input, contextValues).then((answer) => answer as never),
			)({ header: new Headers(header), contextValues } as never) as never,
		stream: inner.stream,
	});
	await outer.check({}, { contextValues: createContextValues().set(traceparentKey, trace) });
	await createClient(Health, inner).check({}, { headers: { traceparent: "nonsense" } });
	expect(seen).toEqual([trace, undefined]);
});
