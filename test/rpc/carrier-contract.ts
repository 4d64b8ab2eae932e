// What every carrier must do, whatever carries the calls: the cases that each of them runs.
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { timerMaxMs } from "../../src/clock.ts";
import { RetryAfterSchema } from "../../src/gen/payrelay/v1/payment_pb.ts";
import { QueueService } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import type { Routes } from "../../src/rpc/carrier.ts";
import { edgeInterceptors } from "../../src/rpc/edge.ts";
import { createValidation } from "../../src/rpc/validate.ts";
import { type CarrierLab, createCarrierLab } from "./carrier-service.ts";
import { CarrierService } from "./gen/carrier/v1/carrier_pb.ts";

export interface CarriedServer {
	readonly transport: Transport;
	close(): Promise<void>;
}

export type Carry = (routes: Routes, interceptors: ReturnType<typeof edgeInterceptors>) => Promise<CarriedServer>;

/** Calls at once; more than a connection's streams, so that some have to wait for others. */
const manyCalls = 600;
const bigBytes = 900_000;
/** A call has reached its handler by then, on a busy machine too, ms. */
const beginsWithinMs = 2_000;

export interface CarrierTraits {
	/** What a caller is told of a service that is not served at all. */
	readonly unservedService: Code;
}

export function carrierContract(
	name: string,
	carry: Carry,
	{ unservedService }: CarrierTraits = { unservedService: Code.Unimplemented },
): void {
	describe(name, () => {
		let lab: CarrierLab;
		let server: CarriedServer;
		let client: Client<typeof CarrierService>;
		let faults: string[];

		beforeEach(async () => {
			lab = createCarrierLab();
			faults = [];
			const interceptors = edgeInterceptors(createValidation(), (error, method) => faults.push(`${method}: ${error}`));
			server = await carry((router) => {
				lab.routes(router);
				router.service(QueueService, { enqueue: () => ({ outcome: 1 }) });
			}, interceptors);
			client = createClient(CarrierService, server.transport);
		});
		afterEach(() => server.close());

		test("one request is answered by one response", async () => {
			expect((await client.unary({ text: "zażółć" })).text).toBe("zażółć");
		});

		test("a stream of requests is answered by one response", async () => {
			const answer = await client.collect(numbers(100));
			expect(answer).toMatchObject({ sum: 5050n, count: 100 });
		});

		test("one request is answered by a stream of responses", async () => {
			const got: number[] = [];
			for await (const { number } of client.count({ to: 200 })) got.push(number);
			expect(got).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
		});

		test("on a stream both ways an answer comes before the next request is made", async () => {
			const heard: string[] = [];
			let answered = Promise.withResolvers<void>();
			const requests = (async function* () {
				for (let said = 0; said < 5; said++) {
					yield { text: `line ${said}` };
					await answered.promise;
					answered = Promise.withResolvers();
				}
			})();
			for await (const { text } of client.echo(requests)) {
				heard.push(text);
				answered.resolve();
			}
			expect(heard).toEqual([0, 1, 2, 3, 4].map((n) => `line ${n}`));
		});

		test("an error keeps its code, message, details and headers", async () => {
			const error = await failure(client.unary({ how: "refused" }));
			expect(error.code).toBe(Code.ResourceExhausted);
			expect(error.rawMessage).toBe("come again");
			expect(error.metadata.get("x-why")).toBe("full");
			expect(error.findDetails(RetryAfterSchema)).toMatchObject([{ retryMs: 1500 }]);
		});

		test("an error after some responses of a stream comes after them, whole", async () => {
			const got: number[] = [];
			const error = await failure(
				(async () => {
					for await (const { number } of client.count({ to: 3, how: "refused" })) got.push(number);
				})(),
			);
			expect(got).toEqual([1, 2, 3]);
			expect(error.code).toBe(Code.ResourceExhausted);
			expect(error.findDetails(RetryAfterSchema)).toMatchObject([{ retryMs: 1500 }]);
		});

		test("what broke inside is told to the log, and to the caller only that something did", async () => {
			const unary = () => client.unary({ how: "broken" });
			const stream = () => drain(client.count({ to: 1, how: "broken" }));
			for (const call of [unary, stream]) {
				const error = await failure(call());
				expect(error.code).toBe(Code.Internal);
				expect(error.rawMessage).toBe("internal error");
				expect(JSON.stringify(error)).not.toContain("secret");
			}
			expect(faults).toEqual([
				"carrier.v1.CarrierService/Unary: TypeError: the secret is 42",
				"carrier.v1.CarrierService/Count: TypeError: the secret is 42",
			]);
		});

		test("headers go there and come back, and trailers with them", async () => {
			let header: Headers | undefined;
			let trailer: Headers | undefined;
			const options = {
				headers: { "x-asked": "a value" },
				onHeader(received: Headers) {
					header = received;
				},
				onTrailer(received: Headers) {
					trailer = received;
				},
			};
			await client.unary({}, options);
			expect(header?.get("x-answered")).toBe("a value");
			expect(trailer?.get("x-after")).toBe("a value after");
			await drain(client.count({ to: 2 }, options));
			expect(header?.get("x-answered")).toBe("2");
			expect(trailer?.get("x-after")).toBe("all");
		});

		test("a deadline ends the call on both sides", async () => {
			const error = await failure(client.unary({ how: "hang" }, { timeoutMs: beginsWithinMs }));
			expect(error.code).toBe(Code.DeadlineExceeded);
			expect(await lab.ended("Unary")).toBeInstanceOf(Error);
			const streamed = await failure(drain(client.count({ to: 2, how: "hang" }, { timeoutMs: beginsWithinMs })));
			expect(streamed.code).toBe(Code.DeadlineExceeded);
			await lab.ended("Count");
		});

		test("a time that is longer than any timer sets none that goes off at once", async () => {
			const timers = vi.spyOn(globalThis, "setTimeout");
			try {
				await client.unary({}, { timeoutMs: 2 ** 40 });
				await drain(client.count({ to: 2 }, { timeoutMs: 2 ** 40 }));
				const delays = timers.mock.calls.map(([, ms = 0]) => ms);
				expect(Math.max(...delays)).toBe(timerMaxMs);
			} finally {
				timers.mockRestore();
			}
		});

		test("the server notices that a caller has given up", async () => {
			const given = new AbortController();
			const calls = [
				failure(client.unary({ how: "hang" }, { signal: given.signal })),
				failure(drain(client.count({ to: 1, how: "hang" }, { signal: given.signal }))),
				failure(drain(client.echo(silence(given.signal), { signal: given.signal }))),
			];
			await Promise.all(["Unary", "Count", "Echo"].map(lab.began));
			given.abort();
			for (const error of await Promise.all(calls)) expect(error.code).toBe(Code.Canceled);
			await Promise.all(["Unary", "Count", "Echo"].map(lab.ended));
		});

		test("a method that is not served is UNIMPLEMENTED", async () => {
			const queue = createClient(QueueService, server.transport);
			expect((await failure(queue.pin({ id: crypto.randomUUID(), processor: 1 }))).code).toBe(Code.Unimplemented);
			const { StatsService } = await import("../../src/gen/payrelay/v1/stats_service_pb.ts");
			expect((await failure(createClient(StatsService, server.transport).figures({}))).code).toBe(unservedService);
		});

		test("a request that breaks a rule of the contract does not reach the service", async () => {
			const queue = createClient(QueueService, server.transport);
			expect((await failure(queue.enqueue({ id: "no uuid", amountCents: 1n }))).code).toBe(Code.InvalidArgument);
			expect((await queue.enqueue({ id: crypto.randomUUID(), amountCents: 1n })).outcome).toBe(1);
		});

		test("big messages pass whole, and ones beyond the bound are refused", async () => {
			const body = Uint8Array.from({ length: bigBytes }, (_, i) => i % 251);
			expect((await client.unary({ body })).body).toEqual(body);
			const error = await failure(client.unary({ body: new Uint8Array(2 * 1024 * 1024) }));
			expect(error.code).toBe(Code.ResourceExhausted);
		});

		test("many calls at once are all answered, each with its own answer", async () => {
			const texts = Array.from({ length: manyCalls }, (_, i) => `call ${i}`);
			const answers = await Promise.all(texts.map((text) => client.unary({ text })));
			expect(answers.map(({ text }) => text)).toEqual(texts);
		});
	});
}

async function* numbers(to: number) {
	for (let n = 1; n <= to; n++) yield { number: BigInt(n) };
}

/** One request, and then none until the end. */
async function* silence(until: AbortSignal) {
	yield { text: "" };
	await new Promise((resolve) => until.addEventListener("abort", resolve, { once: true }));
}

async function drain(messages: AsyncIterable<unknown>): Promise<void> {
	for await (const _ of messages);
}

export async function failure(call: Promise<unknown>): Promise<ConnectError> {
	try {
		await call;
	} catch (error) {
		if (error instanceof ConnectError) return error;
		throw error;
	}
	throw new Error("the call succeeded");
}
