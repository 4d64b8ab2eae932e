// The gateway against real sockets whose other end answers byte for byte as told, or not at all.

import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { createGateway, type HttpGateway } from "../../src/consumer/gateway.ts";
import type { ChargeAnswer } from "../../src/consumer/ports.ts";
import { paymentId, sentAtUs } from "./harness.ts";

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
	for (const close of opened.splice(0).reverse()) await close();
});

/** Serves raw connections; `heard` collects what each request said. */
async function serve(onRequest: (socket: Socket, request: string, count: number) => void) {
	const heard: string[] = [];
	const sockets = new Set<Socket>();
	const server: Server = createServer((socket) => {
		sockets.add(socket);
		socket.on("error", () => {});
		socket.on("close", () => sockets.delete(socket));
		let text = "";
		socket.on("data", (chunk) => {
			text += chunk.toString("latin1");
			const length = /content-length: (\d+)/i.exec(text)?.[1];
			const end = text.indexOf("\r\n\r\n");
			if (end < 0 || text.length < end + 4 + Number(length ?? 0)) return;
			const request = text;
			text = "";
			heard.push(request);
			onRequest(socket, request, heard.length);
		});
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	opened.push(() => {
		for (const socket of sockets) socket.destroy();
		return new Promise((resolve) => server.close(resolve));
	});
	return { url, heard, connections: () => sockets.size };
}

function gatewayTo(url: string, connectMs = 1000): HttpGateway {
	const gateway = createGateway({ urls: { default: url, fallback: url }, connectionsMax: 4, connectMs });
	opened.push(() => gateway.close());
	return gateway;
}

const payment = { id: paymentId(1), amountCents: 1_000_000_010n, requestedAtUs: sentAtUs + 7000 };
const success = '{"message":"payment processed successfully"}';
const http = (status: string, body = "", more = "") =>
	`HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`;
const unknown = (why: string) => ({ kind: "unknown", why });

async function chargeAt(
	onRequest: (socket: Socket) => void,
	signal = new AbortController().signal,
): Promise<ChargeAnswer> {
	const { url, heard } = await serve(onRequest);
	const answer = await gatewayTo(url).charge("default", payment, signal);
	expect(heard.length, "a charge is never sent twice").toBe(1);
	return answer;
}

test("a charge says the id, the exact amount and the moment in milliseconds", async () => {
	const { url, heard } = await serve((socket) => socket.write(http("200 OK", success)));
	expect(await gatewayTo(`${url}/base`).charge("default", payment, new AbortController().signal)).toEqual({
		kind: "charged",
	});
	expect(heard[0]).toMatch(/^POST \/base\/payments HTTP\/1\.1\r\n/);
	expect(heard[0]).toMatch(/content-type: application\/json/i);
	expect(heard[0]?.split("\r\n\r\n")[1]).toBe(
		`{"correlationId":"${paymentId(1)}","amount":10000000.10,"requestedAt":"2025-07-15T12:00:00.007Z"}`,
	);
});

test("answers that the contract names are told apart", async () => {
	expect(await chargeAt((socket) => socket.write(http("422 Unprocessable", '{"message":"exists"}')))).toEqual({
		kind: "duplicate",
	});
	expect(await chargeAt((socket) => socket.write(http("429 Too Many", "Calm down")))).toEqual({
		kind: "not_charged",
		why: "too_many",
	});
	expect(await chargeAt((socket) => socket.write(http("500 Oops")))).toEqual({ kind: "not_charged", why: "failing" });
	const chunked = "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
	expect(await chargeAt((socket) => socket.write(chunked))).toEqual({ kind: "not_charged", why: "failing" });
	expect(await chargeAt((socket) => socket.write(http("500 Oops", "stack trace")))).toEqual(unknown("status"));
	for (const status of ["502 Bad", "503 Away", "504 Late", "404 No", "201 Created"])
		expect(await chargeAt((socket) => socket.write(http(status)))).toEqual(unknown("status"));
});

test("a 500 that was cut before its body could come, or that ends with its line, proves nothing", async () => {
	const cut = (text: string) => (socket: Socket) => socket.end(text);
	expect((await chargeAt(cut("HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\n"))).kind).toBe("unknown");
	expect((await chargeAt(cut("HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n"))).kind).toBe("unknown");
	const chunked = "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
	expect((await chargeAt(cut(chunked))).kind).toBe("unknown");
	expect((await chargeAt(cut("HTTP/1.0 500 Oops\r\n\r\n"))).kind).toBe("unknown");
	expect((await chargeAt(cut("HTTP/1.1 500 Oops\r\nContent-"))).kind).toBe("unknown");
	for (const coding of ["gzip", "identity", "chunked, gzip", "unchunked", "gzip chunked", "x;y= chunked"]) {
		const coded = `HTTP/1.1 500 Oops\r\nTransfer-Encoding: ${coding}\r\n\r\n`;
		expect((await chargeAt(cut(coded))).kind, coding).toBe("unknown");
	}
});

test("a transfer coding that ends in chunks tells its end, however it is written", async () => {
	for (const coding of [
		"Chunked",
		"gzip, chunked",
		"gzip,chunked",
		"gzip ,\tchunked",
		"gzip\r\nTransfer-Encoding: chunked ",
	]) {
		const coded = `HTTP/1.1 500 Oops\r\nTransfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n`;
		expect(await chargeAt((socket) => socket.write(coded)), coding).toEqual({ kind: "not_charged", why: "failing" });
	}
});

test("a byte order mark alone is a body, and one before an answer does no harm", async () => {
	const mark = "\u00ef\u00bb\u00bf";
	const answer = (text: string) => (socket: Socket) => socket.write(text, "latin1");
	expect(await chargeAt(answer(http("500 Oops", mark)))).toEqual(unknown("status"));
	expect(await chargeAt(answer(http("200 OK", mark + success)))).toEqual({ kind: "charged" });
});

test("an answer of success whose body is cut is unknown", async () => {
	const half = `HTTP/1.1 200 OK\r\nContent-Length: ${success.length}\r\n\r\n${success.slice(0, 9)}`;
	expect(await chargeAt((socket) => socket.end(half))).toEqual(unknown("connection"));
	expect(await chargeAt((socket) => socket.write(half, () => socket.resetAndDestroy()))).toEqual(unknown("connection"));
});

test("a connection that ends without an answer leaves the outcome unknown, and the charge is not repeated", async () => {
	expect(await chargeAt((socket) => socket.end())).toEqual(unknown("connection"));
	expect(await chargeAt((socket) => socket.resetAndDestroy())).toEqual(unknown("connection"));
});

test("garbage instead of an answer leaves the outcome unknown", async () => {
	expect(await chargeAt((socket) => socket.end("I am a teapot\r\n\r\n"))).toEqual(unknown("malformed"));
	expect(await chargeAt((socket) => socket.write(http("200 OK", "<html>hello</html>")))).toEqual(unknown("malformed"));
});

test("a huge answer is cut off, not read", async () => {
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n";
	expect(await chargeAt((socket) => socket.write(head + "x".repeat(100_000)))).toEqual(unknown("malformed"));
});

test("an aborted charge that was sent is unknown, however much of its answer has dribbled in", async () => {
	const controller = new AbortController();
	const answer = chargeAt((socket) => {
		socket.write("HTTP/1.1 200 OK\r\nContent-Le");
		setImmediate(() => controller.abort());
	}, controller.signal);
	expect(await answer).toEqual(unknown("aborted"));
});

test("a refused connection, an unknown host and an abort before the connection are proof that nothing left", async () => {
	const { url } = await serve(() => {});
	await opened.pop()?.();
	const refused = { kind: "not_charged", why: "refused" };
	const signal = new AbortController().signal;
	expect(await gatewayTo(url).charge("default", payment, signal)).toEqual(refused);
	expect(await gatewayTo("http://no-such-host.invalid:80").charge("default", payment, signal)).toEqual(refused);
	expect(await gatewayTo(url).charge("default", payment, AbortSignal.abort())).toEqual({
		kind: "not_charged",
		why: "aborted",
	});
	const closed = gatewayTo(url);
	await closed.close();
	expect(await closed.charge("default", payment, signal)).toEqual(refused);
});

test("an abort while the connection is being made sends nothing afterwards", async () => {
	const { url, heard } = await serve((socket) => socket.write(http("200 OK", success)));
	const gateway = gatewayTo(url);
	const controller = new AbortController();
	const answer = gateway.charge("default", payment, controller.signal);
	controller.abort();
	expect(await answer).toEqual({ kind: "not_charged", why: "aborted" });
	expect(await gateway.charge("default", { ...payment, id: paymentId(2) }, new AbortController().signal)).toEqual({
		kind: "charged",
	});
	expect(heard.filter((request) => request.includes(paymentId(1)))).toEqual([]);
});

test("a connection that the processor closed after an answer is not used again", async () => {
	const { url, heard } = await serve((socket) => socket.end(http("200 OK", success)));
	const gateway = gatewayTo(url);
	for (let i = 1; i <= 5; i++) {
		const answer = await gateway.charge("default", { ...payment, id: paymentId(i) }, new AbortController().signal);
		expect(answer).toEqual({ kind: "charged" });
		await new Promise((resolve) => setImmediate(resolve));
	}
	expect(heard.length).toBe(5);
});

test.each([
	["announces nothing", ""],
	["announces that it will wait for long", "Keep-Alive: timeout=600\r\n"],
])("a connection that is idle is closed from here within seconds, where the processor %s", async (_, header) => {
	const closed = Promise.withResolvers<void>();
	const { url } = await serve((socket) => {
		socket.once("close", () => closed.resolve());
		socket.write(http("200 OK", success, header));
	});
	expect(await gatewayTo(url).charge("default", payment, new AbortController().signal)).toEqual({ kind: "charged" });
	await closed.promise;
});

test("charges at the same time each have a connection of their own", async () => {
	const waiting: Socket[] = [];
	const { url, connections } = await serve((socket) => {
		waiting.push(socket);
		if (waiting.length === 4) for (const one of waiting) one.write(http("200 OK", success));
	});
	const gateway = gatewayTo(url);
	const signal = new AbortController().signal;
	const answers = await Promise.all(
		[1, 2, 3, 4].map((n) => gateway.charge("default", { ...payment, id: paymentId(n) }, signal)),
	);
	expect(answers).toEqual(answers.map(() => ({ kind: "charged" })));
	expect(connections()).toBe(4);
});

test("a read-back and a health call ask for what they should, and survive a dead processor", async () => {
	const body = `{"correlationId":"${paymentId(1)}","amount":10000000.10,"requestedAt":"2025-07-15T12:00:00.007"}`;
	const { url, heard } = await serve((socket, request) =>
		socket.write(http("200 OK", request.includes("service-health") ? '{"failing":false,"minResponseTime":3}' : body)),
	);
	const gateway = gatewayTo(url);
	const signal = new AbortController().signal;
	expect(await gateway.readBack("fallback", paymentId(1), signal)).toEqual({
		kind: "found",
		charge: { processor: "fallback", amountCents: 1_000_000_010n, requestedAtUs: sentAtUs + 7000 },
	});
	expect(await gateway.health("default", signal)).toEqual({ reachable: true, failing: false, minResponseMs: 3 });
	expect(heard.map((request) => request.split(" HTTP")[0])).toEqual([
		`GET /payments/${paymentId(1)}`,
		"GET /payments/service-health",
	]);
	const dead = gatewayTo("http://127.0.0.1:1");
	expect(await dead.readBack("default", paymentId(1), signal)).toEqual({ kind: "no_answer" });
	expect(await dead.health("default", signal)).toEqual({ reachable: false, failing: false, minResponseMs: 0 });
});
