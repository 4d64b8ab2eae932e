// The API without a socket: what a shop and an operator are told, and when.
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { createApi } from "../../src/api/api.ts";
import type { Enqueue } from "../../src/api/payments-route.ts";
import { type ApiSettings, apiDefaults } from "../../src/api/route.ts";
import { systemClock } from "../../src/clock.ts";
import { PaymentState, Processor } from "../../src/gen/payrelay/v1/payment_pb.ts";
import { EnqueueOutcome } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import { AttemptState, Decision, type StatsService } from "../../src/gen/payrelay/v1/stats_service_pb.ts";
import { createFakeQueue, fakeStats } from "./fake-cache.ts";

const id = "0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5e";
const noon = Date.UTC(2026, 0, 31, 12);

interface Given {
	enqueue?: Enqueue;
	stats?: Partial<ServiceImpl<typeof StatsService>>;
	settings?: Partial<ApiSettings>;
	isServing?: () => boolean;
}

function given({ enqueue = createFakeQueue().enqueue, stats = {}, settings = {}, isServing = () => true }: Given = {}) {
	const faults: unknown[] = [];
	const onFault = (error: unknown) => faults.push(error);
	const ports = { enqueue, stats: fakeStats(stats), clock: systemClock, onFault, isServing };
	const api = createApi(ports, { ...apiDefaults, ...settings });
	const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
		api.request(path, {
			method: "POST",
			headers: { "content-type": "application/json", ...headers },
			body: typeof body === "string" ? body : JSON.stringify(body),
		});
	return { api, post, faults };
}

const fail = (code: Code) => (): never => {
	throw new ConnectError("secret detail", code);
};

describe("a payment", () => {
	test("is answered only after its outcome is known, with an empty 202", async () => {
		const stored = Promise.withResolvers<EnqueueOutcome>();
		const { post } = given({ enqueue: () => stored.promise });
		let answered = false;
		const answer = Promise.resolve(post("/payments", { correlationId: id, amount: 19.9 })).finally(() => {
			answered = true;
		});
		await new Promise(setImmediate);
		expect(answered).toBe(false);
		stored.resolve(EnqueueOutcome.ACCEPTED);
		const response = await answer;
		expect([response.status, await response.text()]).toEqual([202, ""]);
	});

	test("is forwarded with its id in lower case and its cents exact", async () => {
		const { enqueue, amounts } = createFakeQueue();
		const { post } = given({ enqueue });
		await post("/payments", `{"correlationId":"${id.toUpperCase()}","amount":999999999.99}`);
		expect([...amounts]).toEqual([[id, 99_999_999_999n]]);
	});

	test.each([
		["the queue is full", () => Promise.resolve(EnqueueOutcome.FULL), 429, 0],
		["too many wait for the cache", () => Promise.reject(new ConnectError("", Code.ResourceExhausted)), 429, 0],
		["the cache is away", () => Promise.reject(new ConnectError("", Code.Unavailable)), 503, 0],
		["the cache does not answer in time", () => Promise.reject(new ConnectError("", Code.DeadlineExceeded)), 503, 0],
		["the cache fails in a way that nobody expected", () => Promise.reject(new Error("secret detail")), 503, 1],
		["the outcome is none", () => Promise.resolve(EnqueueOutcome.UNSPECIFIED), 503, 1],
	])("is not promised when %s", async (_, enqueue, status, faultCount) => {
		const { post, faults } = given({ enqueue, settings: { retryAfterS: 7 } });
		const response = await post("/payments", { correlationId: id, amount: 1 });
		expect(response.status).toBe(status);
		expect(response.headers.get("retry-after")).toBe("7");
		expect(await response.text()).not.toContain("secret");
		expect(faults).toHaveLength(faultCount);
	});

	test("is shown with its state, its charge and its attempts", async () => {
		const requestedAtUs = BigInt(noon) * 1000n + 1n;
		const { api } = given({
			stats: {
				getPayment: (request) => ({
					payment: {
						id: request.id,
						amountCents: 1990n,
						state: PaymentState.SETTLED,
						acceptedAt: timestampFromMs(noon - 5),
						attempts: 1,
						attemptLog: [
							{
								token: 2n ** 63n,
								processor: Processor.FALLBACK,
								requestedAt: timestampFromMs(noon),
								state: AttemptState.CHARGED,
							},
						],
						charge: { processor: Processor.FALLBACK, amountCents: 1991n, requestedAtUs },
						settledAt: timestampFromMs(noon + 2),
						flagged: true,
					},
				}),
			},
		});
		const response = await api.request(`/payments/${id.toUpperCase()}`);
		expect(response.status).toBe(200);
		expect(await response.text()).toBe(
			`{"correlationId":"${id}","amount":19.90,"state":"settled","acceptedAt":"2026-01-31T11:59:59.995Z",` +
				'"processor":"fallback","requestedAt":"2026-01-31T12:00:00.000001Z","chargedAmount":19.91,' +
				'"settledAt":"2026-01-31T12:00:00.002Z","flagged":true,"attempts":1,"attemptLog":[{"token":"9223372036854775808",' +
				'"processor":"fallback","requestedAt":"2026-01-31T12:00:00.000Z","state":"charged"}]}',
		);
	});

	test.each([
		[PaymentState.ACCEPTED, "accepted"],
		[PaymentState.IN_FLIGHT, "in_flight"],
		[PaymentState.IN_DOUBT, "in_doubt"],
		[PaymentState.PARKED, "parked"],
		[PaymentState.GIVEN_UP, "given_up"],
	])("in state %i is said to be %s", async (state, name) => {
		const { api } = given({ stats: { getPayment: () => ({ payment: { id, state, amountCents: 1n } }) } });
		expect(await (await api.request(`/payments/${id}`)).json()).toMatchObject({ state: name, amount: 0.01 });
	});
});

describe("the summary", () => {
	test("has the challenge's form, with every digit of a total beyond what a double holds", async () => {
		const { api } = given({
			stats: {
				summary: () => ({
					default: { count: 3n, amountCents: 30n },
					fallback: { count: 9_007_199_254_740_993n, amountCents: 9_223_372_036_854_775_807n },
				}),
			},
		});
		const response = await api.request("/payments-summary");
		expect(response.headers.get("content-type")).toBe("application/json");
		expect(await response.text()).toBe(
			'{"default":{"totalRequests":3,"totalAmount":0.30},' +
				'"fallback":{"totalRequests":9007199254740993,"totalAmount":92233720368547758.07}}',
		);
	});

	test.each([
		["", undefined, undefined],
		["?from=&to=", undefined, undefined],
		["?from=2026-01-31T12:00:00.000001Z", [1_000n], undefined],
		["?to=2026-01-31T12:00:00", undefined, [0n]],
		["?from=2026-01-31T12:00:00.0000001Z&to=2026-01-31T12:00:00.0000019Z", [1_000n], [1_000n]],
		["?from=2026-01-31T13:00:00%2B01:00&to=2026-01-31T12:00:00Z", [0n], [0n]],
	])("of %j has these bounds, an absent one open", async (query, from, to) => {
		const asked: unknown[] = [];
		const { api } = given({
			stats: {
				summary(request) {
					for (const bound of [request.from, request.to])
						asked.push(bound && [(bound.seconds - BigInt(noon / 1000)) * 1_000_000_000n + BigInt(bound.nanos)]);
					return {};
				},
			},
		});
		const response = await api.request(`/payments-summary${query}`);
		expect(response.status).toBe(200);
		expect(asked).toEqual([from, to]);
	});

	test("of a window between two microseconds is nothing", async () => {
		const { api } = given();
		const response = await api.request(
			"/payments-summary?from=2026-01-31T12:00:00.0000001Z&to=2026-01-31T12:00:00.0000009Z",
		);
		expect(await response.json()).toEqual({
			default: { totalRequests: 0, totalAmount: 0 },
			fallback: { totalRequests: 0, totalAmount: 0 },
		});
	});

	test("is 503 with Retry-After while the cache is away", async () => {
		const { api, faults } = given({ stats: { summary: fail(Code.Unavailable) } });
		const response = await api.request("/payments-summary");
		expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
		expect(await response.text()).not.toContain("secret");
		expect(faults).toEqual([]);
	});

	test("that fails for a reason of ours is 500 without a word about it, and is noted", async () => {
		const { api, faults } = given({ stats: { summary: fail(Code.Internal) } });
		const response = await api.request("/payments-summary");
		expect(response.status).toBe(500);
		expect(await response.text()).not.toMatch(/secret|\.ts|Error/);
		expect(faults).toHaveLength(1);
	});
});

describe("an operator", () => {
	test("is told that the process lives, whatever becomes of the cache", async () => {
		const { api } = given({ stats: { figures: fail(Code.Unavailable) } });
		expect((await api.request("/healthz")).status).toBe(200);
		expect((await api.request("/readyz")).status).toBe(503);
	});

	test("is told that it is ready only while the cache serves and it is not stopping", async () => {
		let serving = true;
		const { api } = given({ stats: { figures: () => ({}) }, isServing: () => serving });
		expect((await api.request("/readyz")).status).toBe(200);
		expect((await api.request("/readyz", { method: "HEAD" })).status).toBe(200);
		serving = false;
		expect((await api.request("/readyz")).status).toBe(503);
	});

	test("reads the deployment's figures and the process's own counters at one place", async () => {
		const health = { reachable: true, failing: true, minResponseMs: 100 };
		const figures = {
			waiting: 3n,
			inDoubt: 2n,
			oldestWaitingMs: 1500n,
			accepted: 10n,
			attempts: 9n,
			retries: 1n,
			commits: 4n,
			processors: [{ processor: Processor.DEFAULT, inFlight: 5, inFlightMax: 512, health }],
		};
		const { api, post } = given({ stats: { figures: () => figures } });
		await post("/payments", { correlationId: id, amount: 1 });
		await post("/payments", { correlationId: id, amount: 2 });
		await api.request("/nothing");
		const text = await (await api.request("/metrics")).text();
		for (const line of [
			/^payrelay_queue_payments\{state="waiting"\} 3$/m,
			/^payrelay_queue_payments\{state="in_doubt"\} 2$/m,
			/^payrelay_queue_oldest_seconds 1.5$/m,
			/^payrelay_accepted_total 10$/m,
			/^payrelay_attempts_total 9$/m,
			/^payrelay_retries_total 1$/m,
			/^payrelay_commits_total 4$/m,
			/^payrelay_processor_in_flight\{processor="default"\} 5$/m,
			/^payrelay_processor_failing\{processor="default"\} 1$/m,
			/^payrelay_api_requests_total\{route="\/payments",status="202",process="\d+"\} 1$/m,
			/^payrelay_api_requests_total\{route="\/payments",status="409",process="\d+"\} 1$/m,
			/^payrelay_api_requests_total\{route="other",status="404",process="\d+"\} 1$/m,
			/^payrelay_api_payment_seconds_count\{process="\d+"\} 2$/m,
			/^payrelay_api_cache_up\{process="\d+"\} 1$/m,
		])
			expect(text).toMatch(line);
	});

	test("is shown no figures rather than old ones while the cache is away", async () => {
		const { api } = given({ stats: { figures: fail(Code.Unavailable) } });
		const text = await (await api.request("/metrics")).text();
		expect(text).toMatch(/^payrelay_api_cache_up\{process="\d+"\} 0$/m);
		expect(text).not.toContain("payrelay_queue_payments");
	});

	test("purges, and learns what was forgotten", async () => {
		const { post } = given({ stats: { purge: () => ({ epoch: 2n, forgotten: 5n, keptInDoubt: 1n }) } });
		const response = await post("/purge-payments", {});
		expect([response.status, await response.json()]).toEqual([200, { forgotten: 5, keptInDoubt: 1 }]);
	});

	test("turns the pages of what is parked", async () => {
		const { api } = given({
			stats: {
				listParked: ({ pageSize, pageToken }) => ({
					payments: [
						{
							id,
							state: PaymentState.PARKED,
							pin: { processor: Processor.DEFAULT, requestedAtUs: BigInt(noon) * 1000n },
						},
					],
					nextPageToken: `${pageToken}${pageSize}`,
				}),
			},
		});
		expect(await (await api.request("/parked?pageSize=1&pageToken=t")).json()).toMatchObject({
			payments: [{ correlationId: id, state: "parked", processor: "default", requestedAt: "2026-01-31T12:00:00.000Z" }],
			nextPageToken: "t1",
		});
	});

	test("resolves a parked payment, and who and why are passed on", async () => {
		const asked: unknown[] = [];
		const { post } = given({
			stats: {
				resolveParked(request) {
					asked.push(request);
					return {
						payment: { id, state: PaymentState.SETTLED, resolution: { decision: Decision.SETTLE, who: "Ada" } },
					};
				},
			},
		});
		const charge = { processor: "fallback", amount: 19.9, requestedAt: "2026-01-31T12:00:00Z" };
		const response = await post(`/payments/${id}/resolution`, { decision: "settle", who: "Ada", why: "seen", charge });
		expect(response.status).toBe(200);
		expect(await response.json()).toMatchObject({ state: "settled", resolution: { decision: "settle", who: "Ada" } });
		expect(asked).toMatchObject([
			{
				id,
				decision: Decision.SETTLE,
				who: "Ada",
				why: "seen",
				charge: { processor: Processor.FALLBACK, amountCents: 1990n, requestedAtUs: BigInt(noon) * 1000n },
			},
		]);
	});

	test.each([
		[{ decision: "forget", who: "A", why: "b" }, ["#/decision"]],
		[{ decision: "retry", who: " ", why: "x".repeat(1001) }, ["#/who", "#/why"]],
		[{ decision: "settle", who: "A", why: "b" }, ["#/charge"]],
		[
			{ decision: "settle", who: "A", why: "b", charge: 1 },
			["#/charge/processor", "#/charge/amount", "#/charge/requestedAt"],
		],
		[
			{
				decision: "retry",
				who: "A",
				why: "b",
				charge: { processor: "default", amount: 1, requestedAt: "2026-01-31T12:00:00Z" },
			},
			["#/charge"],
		],
	])("is refused the resolution %j", async (body, fields) => {
		const response = await given().post(`/payments/${id}/resolution`, body);
		expect(response.status).toBe(400);
		const document = (await response.json()) as { errors: { pointer: string }[] };
		expect(document.errors.map(({ pointer }) => pointer)).toEqual(fields);
	});

	test("cannot resolve what is not parked, or not known", async () => {
		const body = { decision: "retry", who: "A", why: "b" };
		for (const [code, status] of [
			[Code.FailedPrecondition, 409],
			[Code.NotFound, 404],
		] as const) {
			const { post } = given({ stats: { resolveParked: fail(code) } });
			expect((await post(`/payments/${id}/resolution`, body)).status).toBe(status);
		}
	});
});

describe("with an administrative key", () => {
	const settings = { adminKey: "correct-horse" };
	const stats = { figures: () => ({}), purge: () => ({}), listParked: () => ({}), summary: () => ({}) };
	const admin = ["POST /purge-payments", "GET /metrics", "GET /parked", `POST /payments/${id}/resolution`];

	test.each(admin)("%s needs it", async (line) => {
		const [method = "", path = ""] = line.split(" ");
		const { api } = given({ settings, stats });
		for (const authorization of ["", "Bearer", "Bearer wrong", "Basic correct-horse", "Bearer correct-horse battery"]) {
			const response = await api.request(path, { method, headers: { authorization } });
			expect(response.status, authorization).toBe(401);
			expect(response.headers.get("www-authenticate")).toContain("Bearer");
		}
		const response = await api.request(path, { method, headers: { authorization: "bearer correct-horse" } });
		expect(response.status).not.toBe(401);
	});

	test("payments, the summary and the probes stay open", async () => {
		const { api, post } = given({ settings, stats });
		expect((await post("/payments", { correlationId: id, amount: 1 })).status).toBe(202);
		for (const path of ["/payments-summary", "/healthz", "/readyz"]) expect((await api.request(path)).status).toBe(200);
	});
});
