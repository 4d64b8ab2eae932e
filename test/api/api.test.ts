// What a shop is told, and when: payments and the summary, without a socket.
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PaymentState, Processor } from "../../src/gen/payrelay/v1/payment_pb.ts";
import { EnqueueOutcome } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import { AttemptState } from "../../src/gen/payrelay/v1/stats_service_pb.ts";
import { createFakeQueue, fail, given } from "./fake-cache.ts";

const id = "0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5e";
const noon = Date.UTC(2026, 0, 31, 12);

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

	test("is refused or accepted, never a fault, whatever its body is", async () => {
		const { post, faults } = given();
		const members = fc.record({
			correlationId: fc.oneof(fc.uuid(), fc.anything()),
			amount: fc.oneof(fc.double(), fc.anything()),
		});
		const bodies = fc.oneof(
			fc.string({ unit: "binary" }),
			fc.json(),
			members.map((value) => JSON.stringify(value, dropBigInts)),
		);
		await fc.assert(
			fc.asyncProperty(bodies, async (body) => {
				expect([202, 400, 409, 413]).toContain((await post("/payments", body)).status);
			}),
		);
		expect(faults).toEqual([]);
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

function dropBigInts(_: string, value: unknown): unknown {
	return typeof value === "bigint" ? undefined : value;
}
