// Calls that lost the broker: which are made again, how often, and with what is left of their deadline.
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type UnaryRequest, type UnaryResponse } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { createAmqpRpcCounters } from "../../../src/rpc/amqp/counters.ts";
import { brokerLost } from "../../../src/rpc/amqp/lost.ts";
import { requestIdHeader, retryIdempotent } from "../../../src/rpc/amqp/retry.ts";
import { createFakeClock } from "../../fake-clock.ts";
import { CarrierService, UnaryRequestSchema } from "../gen/carrier/v1/carrier_pb.ts";

const attemptsMax = 3;
const attemptMs = 300;

/** A call that loses the broker in each attempt, after `attemptMs`, and finds it back after as long. */
async function lose(method: "unary" | "again", error: ConnectError, header: Readonly<Record<string, string>> = {}) {
	const clock = createFakeClock();
	const counters = createAmqpRpcCounters();
	const attempts: Record<string, string>[] = [];
	const retry = retryIdempotent(attemptsMax, () => clock.sleep(attemptMs), clock, counters);
	const request = {
		stream: false,
		service: CarrierService,
		method: CarrierService.method[method],
		header: new Headers(header),
		signal: new AbortController().signal,
		message: create(UnaryRequestSchema),
	} as unknown as UnaryRequest;
	const call = retry(async ({ header }): Promise<UnaryResponse> => {
		attempts.push(Object.fromEntries(header));
		await clock.sleep(attemptMs);
		throw error;
	})(request);
	const failed = call.catch((cause: unknown) => cause);
	await clock.advance(2 * attemptMs * (attemptsMax + 1));
	expect(await Promise.race([failed, "still at it"])).toBe(error);
	return { attempts, retried: counters.retried };
}

const lost = brokerLost(new Error("gone"));

test("one of an idempotent method is made again, so often and no oftener, as the same request with what is left", async () => {
	const { attempts, retried } = await lose("again", lost, { "connect-timeout-ms": "2000" });
	expect(attempts.map((header) => header["connect-timeout-ms"])).toEqual(["2000", "1400", "800"]);
	expect(new Set(attempts.map((header) => header[requestIdHeader])).size).toBe(1);
	expect(retried).toBe(attemptsMax - 1);
});

test("one whose time is over meanwhile is left no more than the least there is", async () => {
	const { attempts } = await lose("again", lost, { "connect-timeout-ms": "700" });
	expect(attempts.map((header) => header["connect-timeout-ms"])).toEqual(["700", "100", "1"]);
});

test.each([
	["of any other method", "unary", lost],
	["that failed otherwise", "again", new ConnectError("it is away", Code.Unavailable)],
] as const)("one %s is made once", async (_, method, error) => {
	const { attempts, retried } = await lose(method, error);
	expect(attempts).toHaveLength(1);
	expect(retried).toBe(0);
});
