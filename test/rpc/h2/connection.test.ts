// One connection between two endpoints of ours: order, windows, resets, and how it ends.
import { constants as h2 } from "node:http2";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import type { ConnectionLimits } from "../../../src/rpc/h2/connection.ts";
import { createStream, type Stream, type StreamLink } from "../../../src/rpc/h2/stream.ts";
import { connectPair, type Heard, hear, type Pair } from "./lab.ts";

const pairs: Pair[] = [];
afterEach(() => {
	for (const pair of pairs.splice(0)) pair.close();
});

interface Served {
	readonly stream: Stream;
	readonly heard: Heard;
}

async function pair(given: Partial<ConnectionLimits> = {}, onData?: (chunk: Buffer) => void) {
	const served: Served[] = [];
	const made = await connectPair((stream) => {
		const heard = hear(onData);
		served.push({ stream, heard });
		return heard.events;
	}, given);
	pairs.push(made);
	return { ...made, served };
}

const text = (length: number): string => Array.from({ length }, (_, i) => String.fromCharCode(97 + (i % 26))).join("");

test("what is written on one side comes out on the other, in order and whole, however long the pieces", async () => {
	const pieces = fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 12 });
	await fc.assert(
		fc.asyncProperty(pieces, pieces, async (there, back) => {
			const { client, served } = await pair();
			const heard = hear();
			const stream = client.request([[":path", "/"]], heard.events);
			for (const length of there) stream.write(Buffer.from(text(length)));
			stream.end();
			await expect.poll(() => served[0]?.heard.ended).toBe(true);
			expect(served[0]!.heard.data).toBe(there.map(text).join(""));
			served[0]!.stream.answer([[":status", "200"]]);
			for (const length of back) served[0]!.stream.write(Buffer.from(text(length)));
			served[0]!.stream.end();
			expect((await heard.closed).code).toBe(h2.NGHTTP2_NO_ERROR);
			expect([heard.head, heard.data, heard.ended]).toEqual([[[":status", "200"]], back.map(text).join(""), true]);
			expect([client.streams, (await served[0]!.heard.closed).code]).toEqual([0, h2.NGHTTP2_NO_ERROR]);
		}),
		{ numRuns: 15 },
	);
});

test("a reader that holds gets no more than the window, hinders no other stream, and gets the rest once it goes on", async () => {
	const windowBytes = 64 * 1024;
	const { client, served } = await pair({ windowBytes });
	const held = client.request([[":path", "/held"]], hear().events);
	await expect.poll(() => served.length).toBe(1);
	served[0]!.stream.hold(true);
	const much = text(5 * windowBytes);
	for (let at = 0; at < much.length; at += 10_000) held.write(Buffer.from(much.slice(at, at + 10_000)));
	await expect.poll(() => served[0]!.heard.data.length).toBe(windowBytes);
	const other = client.request([[":path", "/other"]], hear().events);
	other.write(Buffer.from(much));
	await expect.poll(() => served[1]?.heard.data.length).toBe(much.length);
	expect(served[0]!.heard.data.length).toBe(windowBytes);
	served[0]!.stream.hold(false);
	await expect.poll(() => served[0]!.heard.data).toBe(much);
});

test("whoever writes is told when it was too much, and when there is room again", async () => {
	const { client, served } = await pair({ windowBytes: 32 * 1024 });
	const heard = hear();
	const stream = client.request([[":path", "/"]], heard.events);
	await expect.poll(() => served.length).toBe(1);
	served[0]!.stream.hold(true);
	expect(stream.write(Buffer.from("little"))).toBe(true);
	expect(stream.write(Buffer.alloc(100_000))).toBe(false);
	expect(heard.drained).toBe(0);
	served[0]!.stream.hold(false);
	await expect.poll(() => heard.drained).toBe(1);
	expect(stream.write(Buffer.from("little"))).toBe(true);
});

test("what is empty waits like all else while the peer has taken back what it granted", () => {
	const sent: Buffer[] = [];
	const link: StreamLink = {
		send(frame) {
			if (sent.push(frame) > 1) throw new Error("it is sent again and again");
		},
		sendHead: () => true,
		room: () => 1_000,
		used() {},
		waits() {},
		taken() {},
		closed() {},
	};
	const { stream, widen } = createStream(1, "client", link, 10, 10);
	widen(-20);
	expect([stream.write(new Uint8Array()), sent.length]).toEqual([false, 0]);
	widen(20);
	expect(sent.length).toBe(1);
});

test("a stream that is reset closes on both sides with its code, and the others go on", async () => {
	const { client, served } = await pair();
	const [one, two] = [hear(), hear()];
	const first = client.request([[":path", "/1"]], one.events);
	const second = client.request([[":path", "/2"]], two.events);
	await expect.poll(() => served.length).toBe(2);
	first.reset(h2.NGHTTP2_CANCEL);
	expect((await served[0]!.heard.closed).code).toBe(h2.NGHTTP2_CANCEL);
	expect([first.writable, first.closed, first.write(Buffer.from("x"))]).toEqual([false, true, true]);
	served[1]!.stream.write(Buffer.from("still here"));
	await expect.poll(() => two.data).toBe("still here");
	served[1]!.stream.reset(h2.NGHTTP2_INTERNAL_ERROR);
	expect((await two.closed).code).toBe(h2.NGHTTP2_INTERNAL_ERROR);
	expect([second.closed, client.streams]).toEqual([true, 0]);
});

test("what was not taken of a stream that has closed is granted to the others again", async () => {
	const windowBytes = 16 * 1024;
	const { client, served } = await pair({ windowBytes });
	// Each of them leaves a window unread; the connection has room for sixteen.
	for (let n = 0; n < 40; n++) {
		const stream = client.request([[":path", "/"]], hear().events);
		await expect.poll(() => served.length).toBe(n + 1);
		served[n]!.stream.hold(true);
		stream.write(Buffer.alloc(windowBytes));
		await expect.poll(() => served[n]!.heard.data.length).toBe(windowBytes);
		served[n]!.stream.reset(h2.NGHTTP2_CANCEL);
		await expect.poll(() => client.streams).toBe(0);
	}
});

test("a server whose answer is whole asks for no more of the request", async () => {
	const { client, served } = await pair();
	const heard = hear();
	client.request([[":path", "/"]], heard.events);
	await expect.poll(() => served.length).toBe(1);
	served[0]!.stream.answer([[":status", "404"]]);
	served[0]!.stream.end();
	await expect.poll(() => heard.ended).toBe(true);
	expect((await heard.closed).code).toBe(h2.NGHTTP2_NO_ERROR);
});

test("streams beyond the bound are refused, and possible again when others have closed", async () => {
	const { client, served } = await pair({ streamsMax: 2 });
	const all = [1, 2, 3].map(() => {
		const heard = hear();
		return { heard, stream: client.request([[":path", "/"]], heard.events) };
	});
	expect((await all[2]!.heard.closed).code).toBe(h2.NGHTTP2_REFUSED_STREAM);
	all[0]!.stream.reset(h2.NGHTTP2_CANCEL);
	await served[0]!.heard.closed;
	client.request([[":path", "/"]], hear().events);
	await expect.poll(() => served.length).toBe(3);
});

test("a connection that retires takes no more streams, ends those it has, and is gone with the last", async () => {
	const { client, server, served, sockets } = await pair();
	const heard = hear();
	client.request([[":path", "/"]], heard.events);
	await expect.poll(() => served.length).toBe(1);
	server.retire();
	await expect.poll(() => client.open).toBe(false);
	served[0]!.stream.answer([[":status", "200"]]);
	served[0]!.stream.end(Buffer.from("last words"));
	await heard.closed;
	expect(heard.data).toBe("last words");
	await expect.poll(() => sockets.client.destroyed && sockets.server.destroyed).toBe(true);
});

test("a stream that crosses the retirement of its connection is refused: it can be repeated", async () => {
	const { client, server } = await pair();
	const heard = hear();
	client.request([[":path", "/"]], heard.events);
	server.retire();
	expect((await heard.closed).code).toBe(h2.NGHTTP2_REFUSED_STREAM);
});

test("when a socket breaks, all its streams close, and are told why", async () => {
	const { client, server, served, sockets } = await pair();
	const heard = hear();
	client.request([[":path", "/"]], heard.events);
	await expect.poll(() => served.length).toBe(1);
	server.destroy(new Error("the plug was pulled"));
	expect((await served[0]!.heard.closed).error?.message).toBe("the plug was pulled");
	expect((await heard.closed).code).toBe(h2.NGHTTP2_CANCEL);
	await expect.poll(() => sockets.client.destroyed).toBe(true);
	expect(client.open).toBe(false);
});

test("a ping is heard of", async () => {
	const { client, server } = await pair();
	await expect.poll(() => client.heard > 0 && server.heard > 0).toBe(true);
	const before = client.heard;
	client.ping();
	await expect.poll(() => client.heard).toBeGreaterThan(before);
});

test("an answer that ends a retired connection arrives whole, whatever the peer asks meanwhile", async () => {
	const { client, server, served } = await pair();
	const heard = hear();
	client.request([[":path", "/"]], heard.events);
	await expect.poll(() => served.length).toBe(1);
	server.retire();
	served[0]!.stream.answer([[":status", "200"]]);
	served[0]!.stream.end(Buffer.from(text(200_000)));
	for (let n = 0; n < 20; n++) {
		client.ping();
		await new Promise((resolve) => setImmediate(resolve));
	}
	await heard.closed;
	expect(heard.data).toBe(text(200_000));
	expect(heard.ended).toBe(true);
});

test("a client that takes its leave ends none of its streams", async () => {
	const { client, served } = await pair();
	const heard = hear();
	client.request([[":path", "/"]], heard.events);
	await expect.poll(() => served.length).toBe(1);
	client.retire();
	await new Promise((resolve) => setTimeout(resolve, 20));
	expect(served[0]!.stream.closed).toBe(false);
	served[0]!.stream.answer([[":status", "200"]]);
	served[0]!.stream.end(Buffer.from("all of it"));
	await heard.closed;
	expect(heard.data).toBe("all of it");
});

test("a head that is longer than a frame ends its own stream only", async () => {
	const { client, served } = await pair();
	const other = hear();
	client.request([[":path", "/"]], other.events);
	const long = hear();
	// Whoever does not know yet writes on.
	client.request([[":path", "x".repeat(20_000)]], long.events).write(Buffer.from("x"));
	expect((await long.closed).error?.message).toContain("longer than a frame");
	await expect.poll(() => served.length).toBe(1);
	const answered = hear();
	client.request([[":path", "/2"]], answered.events);
	await expect.poll(() => served.length).toBe(2);
	served[1]!.stream.answer([["x", "y".repeat(20_000)]]);
	expect((await answered.closed).code).toBe(h2.NGHTTP2_INTERNAL_ERROR);
	served[0]!.stream.answer([[":status", "200"]]);
	served[0]!.stream.end();
	expect((await other.closed).code).toBe(h2.NGHTTP2_NO_ERROR);
});
