// What an operator is told and may do: probes, figures, purge, parked payments, and the key that guards them.
import { readFileSync } from "node:fs";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { PaymentState, Processor } from "../../src/gen/payrelay/v1/payment_pb.ts";
import { BreakerState, Decision } from "../../src/gen/payrelay/v1/stats_service_pb.ts";
import { fail, given } from "./fake-cache.ts";

const id = "0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5e";
const noon = Date.UTC(2026, 0, 31, 12);

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
		const { status, headers } = await api.request("/readyz");
		expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
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

	test("finds every metric that the documents say to watch", async () => {
		const health = { reachable: true, failing: false, minResponseMs: 0 };
		const figures = {
			parked: 6n,
			flagged: 7n,
			settlesRefused: 8n,
			consumers: 2,
			outboxDepth: 9n,
			outboxOldestMs: 2_500n,
			processors: [{ processor: Processor.FALLBACK, health }],
			broker: { queues: { "payrelay.rpc.dead-letters": 3n }, counters: { redelivered: 4n } },
		};
		const { api } = given({ stats: { figures: () => figures }, carrierCounters: () => ({ late: 5 }) });
		const text = await (await api.request("/metrics")).text();
		for (const line of [
			/^payrelay_queue_payments\{state="parked"\} 6$/m,
			/^payrelay_flagged_total 7$/m,
			/^payrelay_settles_refused_total 8$/m,
			/^payrelay_consumers 2$/m,
			/^payrelay_outbox_events 9$/m,
			/^payrelay_outbox_oldest_seconds 2.5$/m,
			/^payrelay_processor_reachable\{processor="fallback"\} 1$/m,
			/^payrelay_broker_queue_messages\{queue="payrelay.rpc.dead-letters"\} 3$/m,
			/^payrelay_cache_broker_total\{what="redelivered"\} 4$/m,
			/^payrelay_api_broker_total\{what="late",process="\d+"\} 5$/m,
		])
			expect(text).toMatch(line);
		const documents = ["operations", "broker"].map((name) =>
			readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), "utf8"),
		);
		const named = new Set(documents.join().match(/\bpayrelay_[a-z_]+[a-z]\b(?!_)/g));
		expect(named.size).toBeGreaterThan(10);
		for (const name of named) expect(text).toMatch(new RegExp(`^${name}[ {]`, "m"));
	});

	test("sees how each consumer is doing, and no longer those that are gone", async () => {
		const consumer = {
			sessionId: "c1",
			inHand: 7,
			waiting: 3,
			firsts: 20n,
			retries: 2n,
			ends: { settled: 12n, failed: 1n },
			answerToCommit: { p50Ms: 2.5, p99Ms: 40 },
			sites: [
				{
					processor: Processor.FALLBACK,
					inFlight: 4,
					limit: 64,
					breaker: BreakerState.OPEN,
					charge: { p50Ms: 5, p99Ms: 9 },
				},
			],
		};
		const scrapes = [{ consumerFigures: [consumer] }, {}];
		const { api } = given({ stats: { figures: () => scrapes.shift()! } });
		const text = await (await api.request("/metrics")).text();
		for (const line of [
			/^payrelay_consumer_jobs\{session="c1"\} 7$/m,
			/^payrelay_consumer_jobs_waiting\{session="c1"\} 3$/m,
			/^payrelay_consumer_attempts_total\{session="c1",kind="retry"\} 2$/m,
			/^payrelay_consumer_jobs_ended_total\{session="c1",end="settled"\} 12$/m,
			/^payrelay_consumer_jobs_ended_total\{session="c1",end="abandoned"\} 0$/m,
			/^payrelay_consumer_answer_to_commit_seconds\{session="c1",quantile="0.99"\} 0.04$/m,
			/^payrelay_consumer_charge_seconds\{session="c1",processor="fallback",quantile="0.5"\} 0.005$/m,
			/^payrelay_consumer_in_flight_limit\{session="c1",processor="fallback"\} 64$/m,
			/^payrelay_consumer_breaker\{session="c1",processor="fallback",state="open"\} 1$/m,
			/^payrelay_consumer_breaker\{session="c1",processor="fallback",state="closed"\} 0$/m,
		])
			expect(text).toMatch(line);
		expect(await (await api.request("/metrics")).text()).not.toContain('session="c1"');
	});

	test("is shown no figures rather than old ones while the cache is away", async () => {
		const { api } = given({ stats: { figures: fail(Code.Unavailable) } });
		const text = await (await api.request("/metrics")).text();
		expect(text).toMatch(/^payrelay_api_cache_up\{process="\d+"\} 0$/m);
		expect(text).not.toContain("payrelay_queue_payments");
	});

	test("purges, and learns what was forgotten", async () => {
		const asked: { epoch: bigint; waitMs: number }[] = [];
		const purge = ({ epoch, waitMs }: { epoch: bigint; waitMs: number }) => {
			asked.push({ epoch, waitMs });
			return { epoch: 2n, forgotten: 5n, keptInDoubt: 1n };
		};
		const { post } = given({ stats: { figures: () => ({ epoch: 1n }), purge }, settings: { purgeWaitMs: 700 } });
		const response = await post("/purge-payments", {});
		expect(asked).toEqual([{ epoch: 1n, waitMs: 700 }]);
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
		for (const query of ["", "?pageSize=&pageToken="])
			expect(await (await api.request(`/parked${query}`)).json(), "as large as the cache makes it").toMatchObject({
				nextPageToken: "0",
			});
		for (const query of [
			"pageSize=0",
			"pageSize=1001",
			"pageSize=all",
			"pageSize=5&pageSize=5",
			"pageToken=1&pageToken=1",
		])
			expect((await api.request(`/parked?${query}`)).status, query).toBe(400);
	});

	test("says of a page token that the cache does not know that it is the caller's fault", async () => {
		const listParked = () => {
			throw new ConnectError("a page token is given out by this call", Code.InvalidArgument);
		};
		const response = await given({ stats: { listParked } }).api.request("/parked?pageToken=x");
		expect(response.status).toBe(400);
		expect(await response.json()).toMatchObject({ errors: [{ parameter: "pageToken" }] });
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

	test("may say up to 16 KiB about a decision", async () => {
		const { post } = given({ stats: { resolveParked: () => ({ payment: { id } }) } });
		const resolution = JSON.stringify({ decision: "retry", who: "A", why: "b" });
		for (const [bytes, status] of [
			[16 * 1024, 200],
			[16 * 1024 + 1, 413],
		] as const)
			expect((await post(`/payments/${id}/resolution`, resolution.padEnd(bytes))).status, `${bytes}`).toBe(status);
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
