// When a server gives a connection up, in simulated time.
import { Server } from "node:net";
import { expect, test } from "vitest";
import { encodeFrame, encodeSettings, flag, preface, type } from "../../../src/rpc/h2/frame.ts";
import { mark } from "../../../src/rpc/h2/mark.ts";
import { createStreamServer } from "../../../src/rpc/h2/server.ts";
import type { Stream } from "../../../src/rpc/h2/stream.ts";
import { createFakeClock } from "../../fake-clock.ts";
import { createFakeSocket } from "./fake-socket.ts";
import { hear, limits, requestBlock } from "./lab.ts";

const keepAliveMs = 20_000;

function createLab() {
	const clock = createFakeClock();
	const faults: string[] = [];
	const streams: Stream[] = [];
	const server = createStreamServer({
		limits: { ...limits, callsInAllMax: 8, keepAliveMs },
		clock,
		onStream(stream) {
			streams.push(stream);
			return hear().events;
		},
		onFault: (error) => faults.push(String(error)),
	});
	const listener = new Server();
	server.putBefore(listener);
	function connect(traits: { readonly answers: boolean }, ...said: readonly Buffer[]) {
		const peer = createFakeSocket(traits);
		listener.emit("connection", peer.socket);
		if (said.length > 0) peer.say(...said);
		return peer;
	}
	async function end(): Promise<void> {
		server.destroy();
		server.stop();
		await clock.settle();
		expect(clock.pending()).toBe(0);
	}
	return { clock, faults, streams, connect, end };
}

const greeting = Buffer.concat([preface, encodeSettings([mark])]);
const opened = Buffer.concat([greeting, encodeFrame(type.headers, flag.endHeaders, 1, requestBlock("/"))]);

test("a client that gives no sign of life when it is asked loses its connection, and its streams close", async () => {
	const { clock, faults, streams, connect, end } = createLab();
	const { socket, sent } = connect({ answers: false }, opened);
	await clock.advance(2 * keepAliveMs - 1);
	expect(sent.filter((kind) => kind === type.ping)).toHaveLength(1);
	expect([socket.destroyed, streams[0]!.closed]).toEqual([false, false]);
	await clock.advance(1);
	expect([socket.destroyed, streams[0]!.closed]).toEqual([true, true]);
	expect(faults).toEqual(["Error: the connection gives no sign of life"]);
	await end();
});

test("a client that answers keeps its connection, with streams or without", async () => {
	const { clock, faults, streams, connect, end } = createLab();
	const all = [connect({ answers: true }, opened), connect({ answers: true }, greeting)];
	await clock.advance(10 * keepAliveMs);
	for (const { socket, sent } of all) {
		expect(sent.filter((kind) => kind === type.ping)).toHaveLength(10);
		expect(socket.destroyed).toBe(false);
	}
	expect([streams[0]!.closed, faults]).toEqual([false, []]);
	await end();
});

test("whoever does not say what for is sent away", async () => {
	const { clock, faults, connect, end } = createLab();
	const all = [connect({ answers: true }), connect({ answers: true }, preface)];
	await clock.advance(keepAliveMs);
	expect(all.map(({ socket }) => socket.destroyed)).toEqual([false, false]);
	await clock.advance(keepAliveMs);
	expect(all.map(({ socket }) => socket.destroyed)).toEqual([true, true]);
	expect(faults).toEqual([]);
	await end();
});
