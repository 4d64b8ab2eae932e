// Peers that say they are our own clients and are not: each loses its connection, and nobody else notices.
//
// On Node only: the server on Deno leaves all connections to node:http2.
import { once } from "node:events";
import { constants as h2 } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, createClient } from "@connectrpc/connect";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { encodeEnvelope as encodeMessage } from "../../../src/rpc/envelope.ts";
import { encodeFrame, encodeNumbers, encodeSettings, flag, preface, type } from "../../../src/rpc/h2/frame.ts";
import { encodeFields } from "../../../src/rpc/h2/hpack.ts";
import { isMarked, mark } from "../../../src/rpc/h2/mark.ts";
import { connectHttp2 } from "../../../src/rpc/http2-client.ts";
import { type Http2Limits, http2Limits, serveHttp2 } from "../../../src/rpc/http2-server.ts";
import { liveBytes } from "../../live-bytes.ts";
import { failure } from "../carrier-contract.ts";
import { createCarrierLab } from "../carrier-service.ts";
import { CarrierService, EchoRequestSchema } from "../gen/carrier/v1/carrier_pb.ts";
import { dialTo, goawayOf, openPeer, type Peer, requestBlock } from "./lab.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
	for (const step of undo.splice(0).reverse()) await step();
});

async function serve(limits: Partial<Http2Limits> = {}, routes = createCarrierLab().routes) {
	const faults: string[] = [];
	const onFault = (error: unknown): void => void faults.push(String(error));
	const options = { routes, addresses: ["127.0.0.1:0"], clock: systemClock, onFault };
	const server = await serveHttp2(options, { ...http2Limits, ...limits });
	const healthy = connectHttp2(server.addresses[0]!);
	undo.push(
		() => server.close(0),
		() => healthy.close(),
	);
	const client = createClient(CarrierService, healthy.transport);
	const port = Number(server.addresses[0]!.split(":")[1]);
	/** That nobody else has noticed. */
	async function isWell(): Promise<void> {
		const got: number[] = [];
		for await (const { number } of client.count({ to: 3 })) got.push(number);
		expect(got).toEqual([1, 2, 3]);
	}
	return { port, client, server, isWell, faults };
}

async function peerOf(port: number): Promise<Peer> {
	const peer = await openPeer(port, [mark]);
	undo.push(() => peer.destroy());
	return peer;
}

const echo = "/carrier.v1.CarrierService/Echo";
const openEcho = (id: number, flags = 0): Buffer =>
	encodeFrame(type.headers, flag.endHeaders | flags, id, requestBlock(echo));
const repeat = (count: number, frame: (n: number) => Buffer): Buffer =>
	Buffer.concat(Array.from({ length: count }, (_, n) => frame(n)));

const faults: [string, Buffer, number][] = [
	["a frame that is too long", Buffer.from([0, 0x40, 1, 0, 0, 0, 0, 0, 1]), h2.NGHTTP2_FRAME_SIZE_ERROR],
	["data of a stream that was never opened", encodeFrame(type.data, 0, 1, Buffer.alloc(1)), h2.NGHTTP2_PROTOCOL_ERROR],
	["data of the connection", encodeFrame(type.data, 0, 0, Buffer.alloc(1)), h2.NGHTTP2_PROTOCOL_ERROR],
	["a stream with a server's number", openEcho(2), h2.NGHTTP2_PROTOCOL_ERROR],
	["a stream without a number", openEcho(0), h2.NGHTTP2_PROTOCOL_ERROR],
	["a second head", Buffer.concat([openEcho(1), openEcho(1)]), h2.NGHTTP2_PROTOCOL_ERROR],
	[
		"data after the end of its stream",
		Buffer.concat([openEcho(1, flag.endStream), encodeFrame(type.data, 0, 1, Buffer.alloc(1))]),
		h2.NGHTTP2_STREAM_CLOSED,
	],
	[
		"a head that takes a thousand fields",
		encodeFrame(type.headers, flag.endHeaders, 1, Buffer.alloc(1000, 0x82)),
		h2.NGHTTP2_COMPRESSION_ERROR,
	],
	[
		"an acknowledgement of settings with some",
		encodeFrame(type.settings, flag.ack, 0, Buffer.alloc(6)),
		h2.NGHTTP2_FRAME_SIZE_ERROR,
	],
	["a setting that is neither on nor off", encodeSettings([[2, 7]]), h2.NGHTTP2_PROTOCOL_ERROR],
	["a frame size below the least", encodeSettings([[5, 1]]), h2.NGHTTP2_PROTOCOL_ERROR],
	["a farewell of a stream", encodeFrame(type.goaway, 0, 1, Buffer.alloc(8)), h2.NGHTTP2_PROTOCOL_ERROR],
	["a header in pieces", encodeFrame(type.headers, 0, 1, requestBlock(echo)), h2.NGHTTP2_PROTOCOL_ERROR],
	["a piece of a header", encodeFrame(type.continuation, 0, 1, Buffer.alloc(1)), h2.NGHTTP2_PROTOCOL_ERROR],
	["a promise", encodeFrame(type.pushPromise, 0, 1, Buffer.alloc(8)), h2.NGHTTP2_PROTOCOL_ERROR],
	[
		"a header that cannot be read",
		encodeFrame(type.headers, flag.endHeaders, 1, Buffer.from([0xff, 0xff])),
		h2.NGHTTP2_COMPRESSION_ERROR,
	],
	["more padding than frame", encodeFrame(type.headers, 0xc, 1, Buffer.from([9, 0])), h2.NGHTTP2_PROTOCOL_ERROR],
	["settings of a stream", encodeFrame(type.settings, 0, 1), h2.NGHTTP2_PROTOCOL_ERROR],
	["half a setting", encodeFrame(type.settings, 0, 0, Buffer.alloc(5)), h2.NGHTTP2_FRAME_SIZE_ERROR],
	["a window that no stream can have", encodeSettings([[4, 2 ** 31]]), h2.NGHTTP2_FLOW_CONTROL_ERROR],
	["a thousand settings", encodeSettings(Array.from({ length: 1000 }, () => [99, 1])), h2.NGHTTP2_ENHANCE_YOUR_CALM],
	["half a ping", encodeFrame(type.ping, 0, 0, Buffer.alloc(4)), h2.NGHTTP2_FRAME_SIZE_ERROR],
	["a ping of a stream", encodeFrame(type.ping, 0, 1, Buffer.alloc(8)), h2.NGHTTP2_PROTOCOL_ERROR],
	["half a reset", encodeFrame(type.rstStream, 0, 1, Buffer.alloc(2)), h2.NGHTTP2_FRAME_SIZE_ERROR],
	["a reset of no stream", encodeNumbers(type.rstStream, 0, 1, 0), h2.NGHTTP2_PROTOCOL_ERROR],
	["a window that grows by nothing", encodeNumbers(type.windowUpdate, 0, 0, 0), h2.NGHTTP2_PROTOCOL_ERROR],
	["a window that grows too far", encodeNumbers(type.windowUpdate, 0, 0, 2 ** 31 - 1), h2.NGHTTP2_FLOW_CONTROL_ERROR],
	["half a window", encodeFrame(type.windowUpdate, 0, 0, Buffer.alloc(3)), h2.NGHTTP2_FRAME_SIZE_ERROR],
	["half a farewell", encodeFrame(type.goaway, 0, 0, Buffer.alloc(3)), h2.NGHTTP2_FRAME_SIZE_ERROR],
];
test.each(faults)("a peer that sends %s loses its connection, and is told why", async (_, bytes, code) => {
	const { port, isWell, faults } = await serve();
	const peer = await peerOf(port);
	peer.write(bytes);
	await peer.closed;
	expect(goawayOf(peer)).toBe(code);
	expect(faults).toEqual([expect.stringContaining("PeerError")]);
	await isWell();
});

const floods: [string, Partial<Http2Limits>, (n: number) => Buffer][] = [
	[
		"opens and resets streams",
		{ resetsBurst: 50, resetsPerSecond: 1 },
		(n) => Buffer.concat([openEcho(2 * n + 1), encodeNumbers(type.rstStream, 0, 2 * n + 1, h2.NGHTTP2_CANCEL)]),
	],
	["changes its settings", {}, (n) => encodeSettings([[4, n]])],
	["sends data without any", {}, (n) => (n === 0 ? openEcho(1) : encodeFrame(type.data, 0, 1))],
];
test.each(floods)("a peer that %s in masses loses its connection", async (_, limits, frame) => {
	const { port, isWell, faults } = await serve(limits);
	const peer = await peerOf(port);
	peer.write(repeat(500, frame));
	await peer.closed;
	expect(faults).toEqual([expect.stringContaining("PeerError")]);
	await isWell();
});

test("a peer that sends more than it was granted loses its connection", async () => {
	const read = Promise.withResolvers<void>();
	undo.push(() => read.resolve());
	const { port } = await serve({ windowBytes: 64 * 1024 }, (router) =>
		router.service(CarrierService, {
			async *echo() {
				await read.promise;
				yield {};
			},
		}),
	);
	const peer = await peerOf(port);
	const text = "x".repeat(1_000);
	const message = encodeMessage(0, toBinary(EchoRequestSchema, create(EchoRequestSchema, { text })));
	peer.write(openEcho(1), ...Array.from({ length: 100 }, () => encodeFrame(type.data, 0, 1, message)));
	await peer.closed;
	expect(goawayOf(peer)).toBe(h2.NGHTTP2_FLOW_CONTROL_ERROR);
});

test("a peer that asks for signs of life and reads none of them loses its connection", async () => {
	const { port, isWell } = await serve({ unsentMaxBytes: 64 * 1024 });
	const peer = await peerOf(port);
	const ping = encodeFrame(type.ping, 0, 0, Buffer.alloc(8));
	const flood = repeat(10_000, () => ping);
	let over = false;
	void peer.closed.then(() => {
		over = true;
	});
	peer.pause();
	for (let n = 0; n < 400 && !over; n++) {
		peer.write(flood);
		await new Promise((resolve) => setImmediate(resolve));
	}
	peer.resume();
	await peer.closed;
	await isWell();
});

test("streams beyond the bound are refused one by one", async () => {
	const { port, isWell } = await serve({ streamsMax: 3 });
	const peer = await peerOf(port);
	peer.write(repeat(5, (n) => openEcho(2 * n + 1)));
	await expect.poll(() => peer.came.filter(({ kind }) => kind === type.rstStream).map(({ id }) => id)).toEqual([7, 9]);
	await isWell();
});

test("streams beyond what all connections may have are refused, and others are served once some have ended", async () => {
	const { port, isWell } = await serve({ callsInAllMax: 5 });
	const [one, other] = [await peerOf(port), await peerOf(port)];
	const refused = ({ came }: Peer) => came.filter(({ kind }) => kind === type.rstStream).map(({ id }) => id);
	one.write(repeat(4, (n) => openEcho(2 * n + 1)));
	await expect.poll(() => one.came.length).toBeGreaterThan(1);
	await new Promise((resolve) => setTimeout(resolve, 50));
	other.write(repeat(2, (n) => openEcho(2 * n + 1)));
	await expect.poll(() => refused(other)).toEqual([3]);
	one.destroy();
	await expect.poll(isWell).toBe(undefined);
});

test("a long message in pieces of one byte costs no more than the message", async () => {
	const { port, isWell, faults } = await serve();
	const peer = await peerOf(port);
	peer.write(openEcho(1), encodeFrame(type.data, 0, 1, Buffer.from([0, 0, 0x0f, 0xff, 0xff])));
	const before = liveBytes();
	const piece = repeat(10_000, () => encodeFrame(type.data, 0, 1, Buffer.alloc(1)));
	for (let n = 0; n < 20; n++) {
		peer.write(piece);
		await new Promise((resolve) => setImmediate(resolve));
	}
	await isWell();
	expect(liveBytes() - before).toBeLessThan(5e6);
	expect([goawayOf(peer), faults]).toEqual([undefined, []]);
});

test("a request that is not for a stream is answered, and its connection goes on", async () => {
	const { port } = await serve();
	const peer = await peerOf(port);
	const odd: Buffer[] = [
		requestBlock("/carrier.v1.CarrierService/Unary"),
		requestBlock("/nobody.v1.Knows/This"),
		requestBlock(`${echo}?x=1`),
		encodeFields([[":method", "GET"]]),
		encodeFields([]),
		encodeFields([["a name", "x"]]),
		encodeFields([["X-Upper", "x"]]),
		encodeFields([["", "x"]]),
		encodeFields([["x", "a\u0000b"]]),
		encodeFields([["x", "a\r\nb: c"]]),
		encodeFields([
			[":method", "POST"],
			[":path", echo],
			[":authority", "http://["],
		]),
		encodeFields([
			[":method", "POST"],
			[":path", echo],
			[":authority", "relay"],
			["content-type", "application/json"],
		]),
	];
	peer.write(...odd.map((block, n) => encodeFrame(type.headers, flag.endHeaders, 2 * n + 1, block)));
	await expect.poll(() => peer.came.filter(({ kind }) => kind === type.headers).length).toBe(odd.length);
	expect(goawayOf(peer)).toBe(undefined);
});

test("whoever ends before saying what for is nobody's fault", async () => {
	const { port, isWell, faults } = await serve();
	for (const said of ["", "P", preface.toString("latin1")]) {
		const socket = dialTo(port);
		undo.push(() => socket.destroy());
		socket.end(said);
		await once(socket.resume(), "close");
	}
	await isWell();
	expect(faults).toEqual([]);
});

test("a server that closes waits for nobody who has said nothing", async () => {
	const { port, server } = await serve();
	const socket = dialTo(port);
	undo.push(() => socket.destroy());
	await once(socket, "connect");
	await server.close(60_000);
	expect(socket.destroyed || (await once(socket.resume(), "close"))).toBeTruthy();
});

test("whatever a peer sends, the others are served on", { timeout: 120_000 }, async () => {
	const { port, client, isWell } = await serve();
	const frame = fc
		.tuple(
			fc.oneof(fc.nat(10), fc.nat(255)),
			fc.nat(255),
			fc.oneof(fc.constantFrom(0, 1, 3, 5), fc.nat(2 ** 31 - 1)),
			fc.oneof(
				fc.uint8Array({ maxLength: 40 }),
				fc.constant(requestBlock(echo)),
				fc.constant(encodeMessage(0, Buffer.alloc(2))),
			),
		)
		.map(([kind, flags, id, payload]) => encodeFrame(kind, flags, id, payload));
	await fc.assert(
		fc.asyncProperty(fc.array(frame, { maxLength: 30 }), fc.boolean(), async (frames, opensFirst) => {
			const peer = await openPeer(port, [mark]);
			peer.write(...(opensFirst ? [openEcho(1)] : []), ...frames);
			expect((await client.unary({ text: "x" })).text).toBe("x");
			peer.destroy();
			await peer.closed;
		}),
		{ numRuns: 500 },
	);
	await isWell();
	expect((await failure(client.unary({ how: "refused" }))).code).toBe(Code.ResourceExhausted);
});

test("only what begins as our own client does is taken for one, in whatever pieces it comes", () => {
	const ours = Buffer.concat([preface, encodeSettings([[4, 1], mark])]);
	for (let end = 0; end < ours.length; end++) expect(isMarked(ours.subarray(0, end))).toBe(undefined);
	expect(isMarked(ours)).toBe(true);
	expect(isMarked(Buffer.concat([ours, Buffer.from("more")]))).toBe(true);
	for (const other of [
		Buffer.concat([preface, encodeSettings([[4, 1]])]),
		Buffer.concat([preface, encodeSettings([])]),
		Buffer.concat([preface, encodeFrame(type.ping, 0, 0, Buffer.alloc(8))]),
		Buffer.concat([preface, encodeSettings(Array.from({ length: 1000 }, () => mark))]),
		Buffer.from("POST / HTTP/1.1\r\n"),
		Buffer.from("P "),
	])
		expect(isMarked(other)).toBe(false);
});
