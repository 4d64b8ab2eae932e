// The simulated processor on real sockets: cut lines, bytes that are not HTTP, callers that go away.
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { type ServedProcessor, serveProcessor } from "../../src/processor/serve.ts";
import { createFakeClock } from "../fake-clock.ts";
import { paymentBody, paymentId } from "./harness.ts";

let served: ServedProcessor | undefined;
afterEach(() => served?.close());

async function start(clock = systemClock) {
	served = await serveProcessor({ name: "default", port: 0, feeRate: "0.05", clock });
	const base = `http://127.0.0.1:${served.port}`;
	const admin = { "content-type": "application/json", "x-rinha-token": "123" };
	return {
		port: served.port,
		base,
		configure: (what: string, body: object) =>
			fetch(`${base}/admin/configurations/${what}`, { method: "PUT", headers: admin, body: JSON.stringify(body) }),
		figures: async () => (await fetch(`${base}/admin/figures`, { headers: admin })).json(),
		isCharged: async (n: number) => (await fetch(`${base}/payments/${paymentId(n)}`)).status === 200,
	};
}

function postText(n: number): string {
	const body = paymentBody(n);
	return `POST /payments HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

/** Everything that comes back on a line of its own until it ends, and how it ended. */
async function converse(port: number, text: string): Promise<{ received: string; ended: string }> {
	const socket = connect(port, "127.0.0.1");
	let received = "";
	let ended = "closed";
	socket.setEncoding("latin1");
	socket.on("data", (chunk) => {
		received += chunk;
	});
	socket.on("error", (error: NodeJS.ErrnoException) => {
		ended = error.code ?? error.message;
	});
	socket.write(text);
	await new Promise((resolve) => socket.once("close", resolve));
	return { received, ended };
}

test.each([
	["charge_then_cut", false, "closed", true],
	["charge_then_cut", true, "ECONNRESET", true],
	["cut", false, "closed", false],
])("%s (reset: %s) ends the line without a byte: %s", async (mode, reset, end, charged) => {
	const { port, configure, isCharged } = await start();
	await configure("misbehaviour", { mode, reset });
	expect(await converse(port, postText(1))).toEqual({ received: "", ended: end });
	expect(await isCharged(1)).toBe(charged);
});

test("cut_then_charge: nothing is there when the line is cut, and then it is", async () => {
	const clock = createFakeClock();
	const { port, configure, isCharged } = await start(clock);
	await configure("misbehaviour", { mode: "cut_then_charge", delay: 500 });
	expect((await converse(port, postText(1))).received).toBe("");
	expect(await isCharged(1)).toBe(false);
	await clock.advance(500);
	expect(await isCharged(1)).toBe(true);
});

test("half_answer: a head that promises more than comes", async () => {
	const { port, configure, isCharged } = await start();
	await configure("misbehaviour", { mode: "half_answer" });
	const { received } = await converse(port, postText(1));
	expect(received).toMatch(/^HTTP\/1\.1 200 .*content-length: 44\r\n.*\r\n\r\n\{"message":"payment pr$/s);
	expect(await isCharged(1)).toBe(true);
});

test("slow_answer: the whole answer, a byte at a time, and the charge before the first", async () => {
	const { port, configure, isCharged } = await start();
	await configure("misbehaviour", { mode: "slow_answer", delay: 1 });
	const conversation = converse(port, postText(1));
	await expect.poll(() => isCharged(1)).toBe(true);
	expect((await conversation).received).toMatch(/^HTTP\/1\.1 200 .*\{"message":"payment processed successfully"\}$/s);
});

test("garbage: bytes that are not HTTP; huge_answer: every byte of it", async () => {
	const { port, base, configure, isCharged } = await start();
	await configure("misbehaviour", { mode: "garbage" });
	expect((await converse(port, postText(1))).received).not.toMatch(/^HTTP/);
	expect(await isCharged(1)).toBe(true);
	await configure("misbehaviour", { mode: "huge_answer", bytes: 3_000_000 });
	const headers = { "content-type": "application/json" };
	const answer = await fetch(`${base}/payments`, { method: "POST", headers, body: paymentBody(2) });
	expect((await answer.arrayBuffer()).byteLength).toBe(3_000_000);
});

test("a caller that goes away during the delay is charged when the delay ends", async () => {
	const clock = createFakeClock();
	const { port, configure, isCharged, figures } = await start(clock);
	await configure("delay", { delay: 2000 });
	const socket = connect(port, "127.0.0.1");
	socket.write(postText(1));
	await expect.poll(async () => (await figures()).posts).toBe(1);
	await expect.poll(() => clock.pending()).toBe(1);
	socket.destroy();
	await once(socket, "close");
	expect(await isCharged(1)).toBe(false);
	await clock.advance(2000);
	expect(await isCharged(1)).toBe(true);
});

test("a caller that goes away in the middle of its body charges nothing and gives its place back", async () => {
	const { port, figures } = await start();
	const socket = connect(port, "127.0.0.1");
	socket.write(postText(1).slice(0, -10));
	await expect.poll(async () => (await figures()).posts).toBe(1);
	socket.destroy();
	await expect.poll(async () => (await figures()).malformed).toBe(1);
	expect((await figures()).stored).toBe(0);
});

test("a line is kept for the next request, and empty answers have no body", async () => {
	const { port, configure } = await start();
	await configure("failure", { failure: true });
	const last = postText(2).replace("host: x", "host: x\r\nconnection: close");
	const { received } = await converse(port, postText(1) + last);
	expect(received.match(/HTTP\/1\.1 500 /g)).toHaveLength(2);
	expect(received.match(/content-length: 0|transfer-encoding/gi)?.map((each) => each.toLowerCase())).toEqual([
		"content-length: 0",
		"content-length: 0",
	]);
	expect(received.endsWith("\r\n\r\n")).toBe(true);
});

test("closing ends at once what still sleeps, and the port can be taken again; a taken port is refused", async () => {
	const { port, configure, figures } = await start();
	await configure("delay", { delay: 600_000 });
	const sleeping = converse(port, postText(1));
	await expect.poll(async () => (await figures()).posts).toBe(1);
	await expect(serveProcessor({ name: "other", port, feeRate: "0" })).rejects.toThrow("EADDRINUSE");
	await served!.close();
	expect((await sleeping).received).toBe("");
	served = await serveProcessor({ name: "other", port, feeRate: "0" });
});
