// The fast path over real connections: the same answers as without it, and connections that change hands in any state.
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { type Api, createApi } from "../../src/api/api.ts";
import { putFastPathBefore } from "../../src/api/fast-path.ts";
import type { Problem } from "../../src/api/problem.ts";
import { serveApi, serverLimits } from "../../src/api/serve.ts";
import { systemClock } from "../../src/clock.ts";
import { liveBytes } from "../live-bytes.ts";
import { type Answer, exchange, post, request } from "./bad-input.ts";
import { createFakeQueue, fakeStats } from "./fake-cache.ts";

const limits = { ...serverLimits, headersTimeoutMs: 150, requestTimeoutMs: 200, timeoutCheckMs: 20 };
const loopback = { host: "127.0.0.1", port: 0 };
const id = "0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5e";
const payment = post(`{"correlationId":"${id}","amount":19.90}`);
const faults: unknown[] = [];
const ended: (() => Promise<unknown>)[] = [];
afterEach(async () => {
	expect(faults).toEqual([]);
	for (const end of ended.splice(0)) await end();
});

function relayApi(): Api {
	const onFault = (error: unknown) => faults.push(error);
	return createApi({ enqueue: createFakeQueue().enqueue, stats: fakeStats(), clock: systemClock, onFault });
}

/** A server whose plain payments wait for `answer`, and which counts what came another way. */
async function serve(
	stored: (body: string) => Promise<Problem | undefined> = async () => undefined,
	given = serverLimits,
	pause: () => Promise<void> = async () => {},
) {
	const slow: string[] = [];
	const fetch = async (request: Request): Promise<Response> => {
		slow.push(new URL(request.url).pathname);
		await pause();
		return new Response("slow", { status: 200 });
	};
	const acceptPayment: Api["acceptPayment"] = (body, answer) => void stored(body).then(answer);
	const server = await serveApi(fetch, loopback, { limits: given, acceptPayment });
	ended.push(() => server.close(0));
	return { server, slow };
}

async function open(address: string): Promise<{ socket: Socket; received: () => string }> {
	const socket = connect({ port: Number(new URL(address).port), host: "127.0.0.1", allowHalfOpen: true });
	let text = "";
	socket.setEncoding("latin1").on("data", (more) => {
		text += more;
	});
	await once(socket, "connect");
	ended.push(async () => socket.destroy());
	return { socket, received: () => text };
}

const statuses = (answers: readonly Answer[]) => answers.map(({ status }) => status);

test("connections that have gone leave nothing behind", async () => {
	const { server } = await serve();
	const ask = (times: number) => Promise.all(Array.from({ length: times }, () => exchange(server.address, payment, 1)));
	await ask(50);
	const before = liveBytes();
	for (let round = 0; round < 40; round++) await ask(50);
	for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
	expect(liveBytes() - before).toBeLessThan(2e6);
});

describe("the answers", () => {
	test("are those without the fast path, whatever is sent", async () => {
		const [one, two] = [relayApi(), relayApi()];
		// What is cut short is late in the end; what is not has time, however busy the machine is.
		const patient = { ...limits, headersTimeoutMs: 1_500, requestTimeoutMs: 2_000 };
		const fast = await serveApi(one.app.fetch, loopback, { limits: patient, acceptPayment: one.acceptPayment });
		const slow = await serveApi(two.app.fetch, loopback, { limits: patient });
		ended.push(
			() => fast.close(0),
			() => slow.close(0),
		);
		const bodies = [
			`{"correlationId":"${id}","amount":19.90}`,
			`{"correlationId":"${id}","amount":19.91}`,
			`{"correlationId":"${id}","amount":1,"x":"\u00fc"}`,
			"{}",
			"",
			"not JSON",
		];
		const lines = ["POST /payments", "POST /payments?a=b", "POST /payments/", "GET /payments", "POST /healthz"];
		const headers = [
			"Content-Type: application/json",
			"Content-Type: application/json;charset=utf-8",
			"Content-Type: text/plain",
			"Connection: close",
			"Connection: keep-alive",
			"Transfer-Encoding: chunked",
			"Host: other",
			"Content-Length: 5",
			"X: \u00e4",
			"X : y",
			"Y:\t ",
		];
		const sent = fc
			.record({
				line: fc.constantFrom(...lines),
				headers: fc.subarray(headers, { maxLength: 3 }),
				body: fc.constantFrom(...bodies),
				usual: fc.boolean(),
				change: fc.option(fc.tuple(fc.nat(200), fc.constantFrom("", " ", ":", "\r\n", "\n", "\u0000")), { freq: 3 }),
			})
			.map(({ line, headers: some, body, usual, change }) => {
				const own = usual ? ["Content-Type: application/json"] : [];
				const text = request(line, [...own, ...some, `Content-Length: ${Buffer.byteLength(body)}`], body);
				return change ? text.slice(0, change[0]) + change[1] + text.slice(change[0] + 1) : text;
			});
		/** The first answer; how long its connection is kept depends on when what follows on it is read. */
		const first = async (address: string, text: string) => {
			const [answer] = await exchange(address, text, 1).catch(() => []);
			const told = [...(answer?.headers ?? [])].filter(
				([name]) => !["date", "connection", "keep-alive"].includes(name),
			);
			return { status: answer?.status, body: answer?.body, headers: Object.fromEntries(told.sort()) };
		};
		await fc.assert(
			fc.asyncProperty(sent, async (text) => {
				expect(await first(fast.address, text)).toEqual(await first(slow.address, text));
			}),
			{ numRuns: 200 },
		);
	}, 60_000);

	test("of plain payments come without node:http, those of all else with it", async () => {
		const { server, slow } = await serve();
		expect(statuses(await exchange(server.address, payment, 1))).toEqual([202]);
		expect(slow).toEqual([]);
		expect(statuses(await exchange(server.address, request("GET /healthz"), 1))).toEqual([200]);
		expect(slow).toEqual(["/healthz"]);
	});

	test("tell when they were given, and for how long the connection is kept", async () => {
		const { server } = await serve();
		const [answer] = await exchange(server.address, payment, 1);
		expect(Math.abs(Date.parse(answer!.headers.get("date")!) - Date.now())).toBeLessThan(60_000);
		expect(answer!.headers.get("connection")).toBe("keep-alive");
		expect(answer!.headers.get("keep-alive")).toBe(`timeout=${limits.keepAliveMs / 1000}`);
	});

	test("keep their order when requests follow before them, plain or not", async () => {
		const asked: string[] = [];
		const first = Promise.withResolvers<undefined>();
		const { server, slow } = await serve((body) => {
			asked.push(body);
			return first.promise;
		});
		const { socket, received } = await open(server.address);
		socket.write(payment);
		await expect.poll(() => asked.length).toBe(1);
		socket.write(payment.slice(0, 9));
		socket.write(`${payment.slice(9)}${request("GET /healthz")}`);
		first.resolve(undefined);
		await expect
			.poll(() => received().match(/HTTP\/1.1 \d+/g))
			.toEqual(["HTTP/1.1 202", "HTTP/1.1 200", "HTTP/1.1 200"]);
		expect(slow).toEqual(["/payments", "/healthz"]);
	});
});

describe("a connection", () => {
	test("that was handed over ends after some requests, so that the next one is fast again", async () => {
		const { server, slow } = await serve(undefined, { ...serverLimits, requestsMax: 3 });
		const { socket, received } = await open(server.address);
		socket.write(request("GET /1") + request("GET /2") + request("GET /3"));
		await once(socket, "end");
		expect(received().match(/^connection: .*$/gim)).toEqual([
			"Connection: keep-alive",
			"Connection: keep-alive",
			"Connection: close",
		]);
		expect(statuses(await exchange(server.address, payment, 1))).toEqual([202]);
		expect(slow).toEqual(["/1", "/2", "/3"]);
	});

	test("may bring a request in two pieces, wherever it is cut", async () => {
		const { server, slow } = await serve();
		const { socket, received } = await open(server.address);
		for (let at = 1; at < payment.length; at += 7) {
			const before = received().length;
			socket.write(payment.slice(0, at));
			await new Promise((resolve) => setImmediate(resolve));
			socket.write(payment.slice(at));
			await expect.poll(() => received().slice(before), { interval: 1 }).toContain("\r\n\r\n");
		}
		expect([...new Set(received().match(/HTTP\/1.1 \d+/g))]).toEqual(["HTTP/1.1 202"]);
		expect(slow).toEqual([]);
	});

	test("that brings a request in many pieces is handed over", async () => {
		const { server, slow } = await serve();
		const { socket, received } = await open(server.address);
		socket.setNoDelay(true);
		for (const byte of payment) {
			socket.write(byte);
			await new Promise((resolve) => setImmediate(resolve));
		}
		await expect.poll(received).toContain("HTTP/1.1 200");
		expect(slow).toEqual(["/payments"]);
	});

	test("that is silent, or stops within a request, is told so by node:http", async () => {
		const { server } = await serve(undefined, limits);
		for (const begun of ["", "POST /pay", payment.slice(0, -1)]) {
			const { socket, received } = await open(server.address);
			socket.write(begun);
			await once(socket, "end");
			expect(received()).toContain("HTTP/1.1 408");
		}
	});

	test("that ends within a request is told so", async () => {
		const { server } = await serve();
		const { socket, received } = await open(server.address);
		socket.end(payment.slice(0, -1));
		await once(socket, "end");
		expect(received()).toContain("urn:problem-type:payrelay:malformed-request");
	});

	test.each([
		["a plain payment", payment, [202]],
		["anything else", request("GET /elsewhere"), [200]],
		["several payments", payment.repeat(3), [200, 200, 200]],
		["a payment and something else", payment + request("GET /elsewhere"), [200, 200]],
	])("of which no more will come still gets its answer: %s", async (_, bytes, answers) => {
		const noMore = Promise.withResolvers<void>();
		const { server } = await serve(undefined, serverLimits, () => noMore.promise);
		const { socket, received } = await open(server.address);
		socket.end(bytes, async () => {
			for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
			noMore.resolve();
		});
		await once(socket, "end");
		expect(received().match(/HTTP\/1.1 \d+/g)).toEqual(answers.map((status) => `HTTP/1.1 ${status}`));
	});

	test.each([
		["sends the next request", payment, ["HTTP/1.1 202", "HTTP/1.1 200"]],
		["says that no more will come", null, ["HTTP/1.1 202"]],
	])("that %s while one is being answered gets every answer", async (_, next, answers) => {
		const server = createServer((_, response) => void response.end("slow"));
		ended.push(async () => server.emit("close"));
		let answer: ((problem: Problem | undefined) => void) | undefined;
		const hold: Api["acceptPayment"] = (_, given) => {
			answer = given;
		};
		putFastPathBefore(server, hold, limits);
		let written = "";
		const socket = new Duplex({
			read() {},
			write(chunk, _, done) {
				written += chunk;
				done();
			},
		});
		// As a socket of node:net has it.
		Object.assign(socket, { destroySoon: () => socket.end() });
		server.emit("connection", socket);
		socket.push(payment);
		await expect.poll(() => answer !== undefined).toBe(true);
		socket.push(next);
		await expect.poll(() => socket.isPaused() || socket.readableEnded).toBe(true);
		answer!(undefined);
		await expect.poll(() => written.match(/HTTP\/1.1 \d+/g)).toEqual(answers);
	});

	test("that is idle for long is closed", async () => {
		const { server } = await serve(undefined, { ...limits, keepAliveMs: 40 });
		const { socket, received } = await open(server.address);
		socket.write(payment);
		await once(socket, "end");
		expect(received()).toMatch(/^HTTP\/1.1 202 /);
	});

	test("that its client cuts while its payment is stored harms nobody", async () => {
		const asked = Promise.withResolvers<void>();
		const stored = Promise.withResolvers<undefined>();
		const { server } = await serve(() => {
			asked.resolve();
			return stored.promise;
		});
		const { socket } = await open(server.address);
		socket.write(payment);
		await asked.promise;
		socket.resetAndDestroy();
		await once(socket, "close");
		stored.resolve(undefined);
		expect(statuses(await exchange(server.address, payment, 1))).toEqual([202]);
	});

	function unread(unreadMaxMs: number) {
		const server = createServer();
		let asked = 0;
		const answerAtOnce: Api["acceptPayment"] = (_, answer) => {
			asked++;
			answer(undefined);
		};
		putFastPathBefore(server, answerAtOnce, { ...limits, unreadMaxMs });
		ended.push(async () => server.emit("close"));
		let written: (() => void) | undefined;
		const socket = new Duplex({
			writableHighWaterMark: 1,
			read() {},
			write(_chunk, _encoding, done) {
				written = done;
			},
		});
		server.emit("connection", socket);
		return { socket, asked: () => asked, written: () => written };
	}

	test("whose client does not read gets nothing more done", async () => {
		const { socket, asked, written } = unread(60_000);
		socket.push(payment);
		await expect.poll(written).toBeDefined();
		for (let i = 0; i < 3; i++) socket.push(payment);
		await new Promise((resolve) => setImmediate(resolve));
		expect([asked(), socket.isPaused()]).toEqual([1, true]);
		socket.destroy();
	});

	test("whose client never reads is cut, whether or not more is to come from it", async () => {
		for (const more of [payment, null]) {
			const { socket } = unread(40);
			socket.push(payment);
			socket.push(more);
			await once(socket, "close");
		}
	});
});

describe("a stop", () => {
	test("closes what is idle, and what it owes an answer with that answer", async () => {
		const asked = Promise.withResolvers<void>();
		const stored = Promise.withResolvers<undefined>();
		const { server } = await serve((body) => {
			if (body === "{}") return Promise.resolve(undefined);
			asked.resolve();
			return stored.promise;
		});
		const [idle, busy] = [await open(server.address), await open(server.address)];
		idle.socket.write(post("{}"));
		await expect.poll(idle.received).toContain("202");
		busy.socket.write(payment);
		await asked.promise;
		const closed = server.close(60_000);
		await once(idle.socket, "end");
		stored.resolve(undefined);
		await closed;
		await expect.poll(busy.received).toMatch(/^HTTP\/1.1 202 [\s\S]*Connection: close\r\n\r\n$/);
	});

	test("waits for the rest of a request, and for one on a connection that has had none yet", async () => {
		const { server } = await serve();
		const [begun, young] = [await open(server.address), await open(server.address)];
		begun.socket.write(payment.slice(0, 40));
		// An answer on a later connection: what came before it was seen.
		expect(statuses(await exchange(server.address, payment, 1))).toEqual([202]);
		const closed = server.close(60_000);
		begun.socket.write(payment.slice(40));
		young.socket.write(payment);
		await closed;
		for (const { received } of [begun, young]) await expect.poll(received).toContain("HTTP/1.1 200");
	});

	test("cuts what does not end within the grace", async () => {
		const asked = Promise.withResolvers<void>();
		const { server } = await serve(() => {
			asked.resolve();
			return new Promise(() => {});
		});
		const answers = exchange(server.address, payment, 1);
		await asked.promise;
		await server.close(0);
		expect(await answers.catch(() => [])).toEqual([]);
	});
});
