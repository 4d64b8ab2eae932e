// Single calls over a real broker: deadlines, errors, what nobody can read, what nobody serves, and what comes too late.
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, createClient } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { RetryAfterSchema } from "../../../src/gen/payrelay/v1/payment_pb.ts";
import { frameProperties, requestProperties } from "../../../src/rpc/amqp/frame.ts";
import { deadLetterQueue, newMailbox } from "../../../src/rpc/amqp/names.ts";
import { edgeInterceptors } from "../../../src/rpc/edge.ts";
import { connectHttp2 } from "../../../src/rpc/http2-client.ts";
import { serveHttp2 } from "../../../src/rpc/http2-server.ts";
import { traceparentKey } from "../../../src/rpc/trace.ts";
import { createValidation } from "../../../src/rpc/validate.ts";
import { brokerInstalled, sharedBrokerUrl } from "../../amqp/broker.ts";
import { field, long, nested, publishRaw } from "../../amqp/raw-message.ts";
import { report } from "../../system/conditions.ts";
import { failure } from "../carrier-contract.ts";
import { createCarrierLab } from "../carrier-service.ts";
import { CarrierService, UnaryRequestSchema, UnaryResponseSchema } from "../gen/carrier/v1/carrier_pb.ts";
import { traceToServer } from "../trace-to-server.ts";
import { type AmqpLab, carrierName, createAmqpLab, eventually, mailboxOf } from "./lab.ts";

let lab: AmqpLab;
beforeEach(() => {
	lab = createAmqpLab();
});
afterEach(() => lab.close());

const requestOf = (replyTo: string, body: Uint8Array = new Uint8Array(), deadlineMs?: number) => ({
	path: `/${carrierName}/Unary`,
	call: "a call",
	replyTo,
	caller: "by hand",
	requestId: crypto.randomUUID(),
	header: new Headers({ "content-type": "application/proto", "connect-protocol-version": "1" }),
	body,
	...(deadlineMs !== undefined && { deadlineMs }),
});

describe.skipIf(!brokerInstalled)("a call", () => {
	test("R6 answers with an unknown, a repeated or no correlation id are counted and dropped, and the next call works", async () => {
		const raw = await lab.raw();
		const { client, rpc } = lab.client();
		const [mailbox] = [newMailbox(lab.namespace)];
		await raw.assertQueue(mailbox, { exclusive: true });
		await raw.assertQueue(lab.queue);
		const body = toBinary(UnaryResponseSchema, create(UnaryResponseSchema, { text: "an answer" }));
		const answer = { status: 200, header: new Headers({ "content-type": "application/proto" }), body };
		await raw.consume(lab.queue, (message) => {
			const { replyTo, correlationId } = message!.properties;
			const send = (call: string) => {
				const { correlationId, ...properties } = frameProperties({ kind: "answer", call, ...answer }, mailbox);
				raw.sendToQueue(replyTo, Buffer.from(body), { ...properties, ...(call && { correlationId }) });
			};
			for (const call of ["", "unknown", correlationId, correlationId]) send(call);
			raw.ack(message!);
		});
		for (const calls of [1, 2]) {
			expect((await client.unary({})).text).toBe("an answer");
			await eventually(() => rpc.counters.late === 2 * calls);
			expect(rpc.counters.malformed).toBe(calls);
		}
	});

	test("R6 a frame that names a queue of somebody else is dropped, and nothing is sent there", async () => {
		const side = lab.client();
		await side.rpc.ready();
		const raw = await lab.raw();
		const { queue } = await raw.assertQueue("", { exclusive: true });
		const mailbox = mailboxOf(side, lab.namespace);
		raw.sendToQueue(mailbox, Buffer.alloc(0), frameProperties({ kind: "accept", call: "unknown" }, queue));
		await eventually(() => side.rpc.counters.malformed + side.rpc.counters.late === 1);
		await lab.serve(createCarrierLab());
		expect((await side.client.unary({ text: "the next" })).text).toBe("the next");
		expect(await raw.get(queue)).toBe(false);
		expect(side.rpc.counters).toMatchObject({ malformed: 1, late: 0 });
	});

	test("R7 a caller's deadline ends its call, and a request that waited too long is dropped by the broker", async () => {
		const { routes } = createCarrierLab();
		const before = await lab.serve({ routes });
		await before.server.close(1000);
		const { client } = lab.client();
		const startMs = performance.now();
		expect((await failure(client.unary({}, { timeoutMs: 200 }))).code).toBe(Code.DeadlineExceeded);
		expect(performance.now() - startMs).toBeGreaterThanOrEqual(195);
		// One that is first in its queue expires there: nobody is handed it, not even a receiver that would not look.
		const raw = await lab.raw();
		await eventually(async () => (await raw.checkQueue(lab.queue)).messageCount === 0);
		expect(await raw.get(lab.queue)).toBe(false);
	});

	test("R7 a request whose deadline has passed when it is delivered is not served", async () => {
		const { server } = await lab.serve(createCarrierLab());
		const raw = await lab.raw();
		const { queue } = await raw.assertQueue(newMailbox(lab.namespace), { exclusive: true });
		const stale = requestOf(queue, undefined, Date.now() - 1);
		raw.sendToQueue(lab.queue, Buffer.alloc(0), requestProperties(stale, undefined));
		await eventually(() => server.counters.expired === 1);
		expect((await lab.client().client.unary({ text: "in time" })).text).toBe("in time");
		expect(await raw.get(queue)).toBe(false);
	});

	test("R7 a call without a deadline has one all the same", async () => {
		const raw = await lab.raw();
		await raw.assertQueue(lab.queue);
		const { client } = lab.client({ bounds: { unaryMaxMs: 200 } });
		expect((await failure(client.unary({}))).code).toBe(Code.DeadlineExceeded);
		await eventually(async () => (await raw.checkQueue(lab.queue)).messageCount === 0);
	});

	test("R7 the handler has the rest of the deadline, not all of it", async () => {
		const given = Promise.withResolvers<number | undefined>();
		const routes = (router: Parameters<ReturnType<typeof createCarrierLab>["routes"]>[0]) =>
			void router.service(CarrierService, {
				unary(_, { timeoutMs }) {
					given.resolve(timeoutMs());
					return {};
				},
			});
		const before = await lab.serve({ routes });
		await before.server.close(1000);
		const call = lab.client().client.unary({}, { timeoutMs: 10_000 });
		await systemClock.sleep(300);
		await lab.serve({ routes });
		await call;
		expect(await given.promise).toBeLessThan(9_750);
	});

	test("R8 where no queue is, the call is UNAVAILABLE at once, not after its deadline", async () => {
		const { client, rpc } = lab.client();
		await rpc.ready();
		const deadlineMs = 10_000;
		const tookMs: number[] = [];
		for (let i = 0; i < 20; i++) {
			const startMs = performance.now();
			const error = await failure(client.unary({}, { timeoutMs: deadlineMs }));
			tookMs.push(performance.now() - startMs);
			expect(error.code).toBe(Code.Unavailable);
			expect(error.rawMessage).toBe(`nobody serves ${carrierName}`);
		}
		tookMs.sort((a, b) => a - b);
		report(
			`nobody to answer: UNAVAILABLE after ${tookMs[10]?.toFixed(1)} ms (median), ${tookMs[19]?.toFixed(1)} ms (most)`,
		);
		expect(tookMs[19]).toBeLessThan(deadlineMs / 2);
		expect(rpc.counters).toMatchObject({ calls: 20, unroutable: 20 });
	});

	test("R9 an error keeps its code, message and details; an unknown method is UNIMPLEMENTED", async () => {
		await lab.serve({
			routes(router) {
				const { routes } = createCarrierLab();
				routes(router);
			},
		});
		const { client } = lab.client();
		const error = await failure(client.unary({ how: "refused" }));
		expect(error).toMatchObject({ code: Code.ResourceExhausted, rawMessage: "come again" });
		expect(error.findDetails(RetryAfterSchema)).toMatchObject([{ retryMs: 1500 }]);
		const raw = await lab.raw();
		const { queue } = await raw.assertQueue(newMailbox(lab.namespace), { exclusive: true });
		const unknown = { ...requestOf(queue), path: `/${carrierName}/Nothing` };
		raw.sendToQueue(lab.queue, Buffer.alloc(0), requestProperties(unknown, undefined));
		let answer = await raw.get(queue);
		await eventually(async () => {
			if (answer === false) answer = await raw.get(queue);
			return answer !== false;
		});
		expect(JSON.parse(String((answer as Exclude<typeof answer, false>).content)).code).toBe("unimplemented");
	});

	test("R10 a request that cannot be decoded is INVALID_ARGUMENT to its caller, and a copy of it is a dead letter", async () => {
		const { server } = await lab.serve(createCarrierLab());
		const raw = await lab.raw();
		const { queue } = await raw.assertQueue(newMailbox(lab.namespace), { exclusive: true });
		const answers: string[] = [];
		await raw.consume(queue, (message) => void answers.push(String(message!.content)), { noAck: true });
		const noMessage = Buffer.from([0xff, 0xff, 0xff]);
		const request = requestOf(queue, noMessage);
		const wrongType = { ...request, header: new Headers({ "content-type": "text/html" }) };
		const noPath = requestProperties(request, undefined);
		raw.sendToQueue(lab.queue, noMessage, requestProperties(request, undefined));
		raw.sendToQueue(lab.queue, Buffer.alloc(0), requestProperties(wrongType, undefined));
		raw.sendToQueue(lab.queue, noMessage, { ...noPath, headers: { ...noPath.headers, path: 7 } });
		await eventually(() => answers.length === 3);
		expect(answers.map((answer) => JSON.parse(answer).code)).toEqual(Array(3).fill("invalid_argument"));
		const dead = deadLetterQueue(lab.namespace);
		await eventually(async () => (await raw.checkQueue(dead)).messageCount === 3);
		const letters = [await raw.get(dead), await raw.get(dead), await raw.get(dead)].filter(
			(letter) => letter !== false,
		);
		expect(letters.map(({ content }) => content.toString("hex")).sort()).toEqual(["", "ffffff", "ffffff"]);
		for (const { properties } of letters)
			expect(properties.headers?.["x-death"]?.[0]).toMatchObject({ reason: "rejected" });
		expect(server.counters.unreadable).toBe(3);
	});

	test("R10 a request that names nobody who may be answered is a dead letter, and answered to nobody", async () => {
		const { server } = await lab.serve(createCarrierLab());
		const raw = await lab.raw();
		const { queue } = await raw.assertQueue("", { exclusive: true });
		const nobody = requestProperties(requestOf(queue), undefined);
		const { replyTo: _, ...unnamed } = nobody;
		for (const properties of [nobody, unnamed]) raw.sendToQueue(lab.queue, Buffer.alloc(0), properties);
		const dead = deadLetterQueue(lab.namespace);
		await eventually(async () => (await raw.checkQueue(dead)).messageCount === 2);
		expect(await raw.get(queue)).toBe(false);
		expect(server.counters).toMatchObject({ requests: 2, unreadable: 2, served: 0 });
	});

	test("R10 a request with headers that cannot be decoded is set aside, and costs no other call anything", async () => {
		const { server, connection } = await lab.serve(createCarrierLab());
		const raw = await lab.raw();
		const { queue } = await raw.assertQueue(newMailbox(lab.namespace), {});
		const proper = { type: "request", correlationId: "a call", replyTo: queue, appId: "by hand" };
		const path = field("path", "S", long(`/${carrierName}/Unary`));
		const headers = [path, field("requestId", "S", long("1")), nested("header", "F", 6_000)];
		await publishRaw(sharedBrokerUrl(), lab.queue, { ...proper, headers });
		expect((await lab.client().client.unary({ text: "another" })).text).toBe("another");
		let answer = await raw.get(queue);
		await eventually(async () => {
			if (answer === false) answer = await raw.get(queue);
			return answer !== false;
		});
		if (answer === false) throw new Error("there is no answer");
		expect(JSON.parse(String(answer.content))).toMatchObject({ code: "invalid_argument" });
		await raw.deleteQueue(queue);
		const dead = deadLetterQueue(lab.namespace);
		await eventually(async () => (await raw.checkQueue(dead)).messageCount === 1);
		expect(server.counters).toMatchObject({ unreadable: 1, redelivered: 0 });
		expect(connection.counters.reconnects).toBe(0);
		expect(lab.faults).toEqual([]);
	});

	test("R13 a caller that goes leaves no queue behind, and answers for it are dropped", async () => {
		const held = createCarrierLab();
		const before = await lab.serve(held);
		await before.server.close(1000);
		const { client, connection } = lab.client();
		const call = failure(client.unary({}));
		const raw = await lab.raw();
		let request = await raw.get(lab.queue);
		await eventually(async () => {
			if (request === false) request = await raw.get(lab.queue);
			return request !== false;
		});
		if (request === false) throw new Error("there is no request");
		const { replyTo } = request.properties;
		raw.nack(request);
		const [during, after] = [await lab.raw(), await lab.raw()];
		for (const channel of [during, after]) channel.on("error", () => {});
		await expect(during.checkQueue(replyTo)).rejects.toThrow("405");
		await connection.close();
		expect((await call).code).toBe(Code.Unavailable);
		const { server } = await lab.serve(held);
		await eventually(() => server.counters.callerGone === 1);
		await expect(after.checkQueue(replyTo)).rejects.toThrow("404");
		expect((await lab.client().client.unary({ text: "the caller is back" })).text).toBe("the caller is back");
	});

	test.each([
		["requests", { queueMax: 4 }, ""],
		["bytes", { queueMaxBytes: 4_000 }, "x".repeat(1_000)],
	])("R16 beyond the %s that may wait in the queue a call is RESOURCE_EXHAUSTED", async (_, bounds, text) => {
		const served = createCarrierLab();
		const before = await lab.serve({ ...served, bounds });
		await before.server.close(1000);
		const { client } = lab.client();
		const raw = await lab.raw();
		const call = () =>
			client.unary({ text }, { timeoutMs: 20_000 }).then(
				() => "answered",
				({ code }) => Code[code],
			);
		const first = Array.from({ length: 10 }, call);
		// The queue tells its publishers that it is full some moments after it is.
		await eventually(async () => (await raw.checkQueue(lab.queue)).messageCount >= 4);
		await systemClock.sleep(200);
		const later = await Promise.all(Array.from({ length: 50 }, call));
		expect(later).toEqual(Array(50).fill("ResourceExhausted"));
		await lab.serve({ ...served, bounds });
		const outcomes = await Promise.all(first);
		expect(outcomes.filter((outcome) => outcome === "answered").length).toBeGreaterThanOrEqual(4);
		expect(new Set(outcomes).isSubsetOf(new Set(["answered", "ResourceExhausted"]))).toBe(true);
		expect(await call()).toBe("answered");
	});

	test("beyond the bound of open calls a call is refused at once, also when all are made in one turn", async () => {
		const held = createCarrierLab();
		const { server } = await lab.serve(held);
		const { client } = lab.client({ bounds: { callsMax: 10 } });
		const given = new AbortController();
		const calls = Array.from({ length: 100 }, () => failure(client.unary({ how: "hang" }, { signal: given.signal })));
		await eventually(() => server.counters.requests === 10);
		given.abort();
		const codes = (await Promise.all(calls)).map(({ code }) => code);
		expect(codes.filter((code) => code === Code.ResourceExhausted)).toHaveLength(90);
		expect((await client.unary({ text: "room again" })).text).toBe("room again");
	});

	test("calls of a client that was closed are UNAVAILABLE at once, of both kinds", async () => {
		await lab.serve(createCarrierLab());
		const { client, rpc } = lab.client();
		expect((await client.unary({ text: "open" })).text).toBe("open");
		await rpc.close();
		for (const call of [client.unary({}), client.again({}), Array.fromAsync(client.count({})), rpc.ready()]) {
			const error = await failure(call);
			expect(error.code).toBe(Code.Unavailable);
			expect(error.rawMessage).toBe("the client is closed");
		}
	});

	test("R19 one trace goes from HTTP over AMQP to HTTP", async () => {
		const seen: (string | undefined)[] = [];
		const interceptors = edgeInterceptors(createValidation(), () => {});
		const onFault = () => {};
		const options = { interceptors, clock: systemClock, onFault };
		const traced = { interceptors: [traceToServer] };
		const next: ((values: Parameters<ReturnType<typeof lab.client>["client"]["unary"]>[1]) => Promise<unknown>)[] = [];
		const hop = (index: number) => ({
			...options,
			routes: (router: Parameters<ReturnType<typeof createCarrierLab>["routes"]>[0]) =>
				void router.service(CarrierService, {
					async unary(_, { values }) {
						seen[index] = values.get(traceparentKey);
						await next[index]?.({ contextValues: values });
						return {};
					},
				}),
		});
		const [first, last] = await Promise.all(
			[0, 2].map((index) => serveHttp2({ ...hop(index), addresses: ["127.0.0.1:0"] })),
		);
		await lab.serve(hop(1));
		const overAmqp = lab.client(traced);
		const [toFirst, toLast] = [first!, last!].map(({ addresses }) => connectHttp2(addresses[0]!, traced));
		next[0] = (values) => overAmqp.client.unary({}, values);
		next[1] = (values) => createClient(CarrierService, toLast!.transport).unary({}, values);
		const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
		await createClient(CarrierService, toFirst!.transport).unary({}, { headers: { traceparent } });
		expect(seen).toEqual([traceparent, traceparent, traceparent]);
		for (const client of [toFirst!, toLast!]) client.close();
		await Promise.all([first!, last!].map((server) => server.close(1000)));
	});

	test("headers and answers' headers beyond what a message holds fail their call alone", async () => {
		await lab.serve({
			routes: (router) =>
				router.service(CarrierService, {
					unary({ text }, { responseHeader }) {
						if (text === "much") responseHeader.set("x-much", "x".repeat(100_000));
						if (text === "many") for (let n = 0; n < 100; n++) responseHeader.set(`x-${n}`, "y");
						return { text };
					},
					async *count(_, { responseHeader }) {
						responseHeader.set("x-much", "x".repeat(100_000));
						yield {};
					},
				}),
		});
		const { client, connection } = lab.client();
		const drain = async () => {
			for await (const _ of client.count({}));
		};
		const asked = failure(client.unary({}, { headers: { "x-much": "x".repeat(20_000) } }));
		expect((await asked).code).toBe(Code.ResourceExhausted);
		for (const text of ["much", "many"])
			expect((await failure(client.unary({ text }))).code).toBe(Code.ResourceExhausted);
		expect((await failure(drain())).code).toBe(Code.Unavailable);
		expect((await client.unary({ text: "small" })).text).toBe("small");
		expect(connection.counters.reconnects).toBe(0);
	});

	test("a caller's correlation id of bytes that are no text ends nobody", async () => {
		const { server } = await lab.serve(createCarrierLab());
		const raw = await lab.raw();
		const properties = requestProperties(requestOf(newMailbox(lab.namespace)), undefined);
		// A lone surrogate is written as three bytes, and so is what is read for each byte of it that is no text.
		raw.sendToQueue(lab.queue, Buffer.alloc(0), { ...properties, correlationId: "\ud800".repeat(85) });
		raw.sendToQueue(lab.queue, Buffer.alloc(0), {
			...properties,
			headers: { ...properties.headers, deadline: { toString: 1, valueOf: 2 } },
		});
		expect((await lab.client().client.unary({ text: "after it" })).text).toBe("after it");
		await eventually(() => server.counters.requests === 3);
		expect(lab.faults).toEqual([]);
		expect(toBinary(UnaryRequestSchema, create(UnaryRequestSchema))).toHaveLength(0);
	});
});
