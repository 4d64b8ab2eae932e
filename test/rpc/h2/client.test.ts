// When a client's connection is asked for a sign of life, closed, and given up, in simulated time.
import { constants as h2 } from "node:http2";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { createStreamClient } from "../../../src/rpc/h2/client.ts";
import { encodeSettings, type } from "../../../src/rpc/h2/frame.ts";
import { createFakeClock } from "../../fake-clock.ts";
import { createFakeSocket, type FakeSocket } from "./fake-socket.ts";
import { hear, keptAlive, limits } from "./lab.ts";

const { pingIntervalMs, pingTimeoutMs, idleMs } = keptAlive;

function createLab({ answers }: { readonly answers: boolean }) {
	const clock = createFakeClock();
	const dialled: FakeSocket[] = [];
	const dial = (): Socket => {
		const made = createFakeSocket({ answers });
		made.say(encodeSettings([]));
		dialled.push(made);
		return made.socket;
	};
	const client = createStreamClient({ dial, limits, keptAlive, clock });
	const request = () => {
		const heard = hear();
		return { heard, stream: client.request([[":path", "/"]], heard.events) };
	};
	/** Of the first connection. */
	const pings = () => dialled[0]!.sent.filter((kind) => kind === type.ping).length;
	async function end(): Promise<void> {
		client.close();
		await clock.settle();
		expect(clock.pending()).toBe(0);
	}
	return { clock, dialled, client, request, pings, end };
}

test("a connection with a stream that is silent is asked for a sign of life, and ends when none comes in time", async () => {
	const { clock, dialled, request, pings, end } = createLab({ answers: false });
	const { heard, stream } = request();
	// The server's first words are a sign of life.
	await clock.advance(2 * pingIntervalMs - 1);
	expect(pings()).toBe(0);
	await clock.advance(1);
	expect(pings()).toBe(1);
	await clock.advance(pingTimeoutMs - 1);
	expect([stream.closed, dialled[0]!.socket.destroyed]).toEqual([false, false]);
	await clock.advance(1);
	expect((await heard.closed).error?.message).toBe("the connection gives no sign of life");
	expect(dialled[0]!.socket.destroyed).toBe(true);
	await end();
});

test("a connection that answers lives as long as its stream", async () => {
	const { clock, dialled, request, pings, end } = createLab({ answers: true });
	const { stream } = request();
	await clock.advance(10 * idleMs);
	expect([stream.closed, dialled.length]).toEqual([false, 1]);
	expect(pings()).toBeGreaterThan(10);
	await end();
});

test("a connection that speaks by itself is asked nothing", async () => {
	const { clock, dialled, request, pings, end } = createLab({ answers: false });
	const { stream } = request();
	for (let ms = 0; ms < 2 * idleMs; ms += pingIntervalMs / 2) {
		dialled[0]!.say(encodeSettings([]));
		await clock.advance(pingIntervalMs / 2);
	}
	expect([stream.closed, pings()]).toEqual([false, 0]);
	await end();
});

test("a connection without streams takes its leave after its time, and is cut when the server does not close it", async () => {
	const { clock, dialled, request, pings, end } = createLab({ answers: true });
	const { stream } = request();
	await clock.advance(3 * idleMs);
	stream.reset(h2.NGHTTP2_CANCEL);
	const before = pings();
	await clock.advance(idleMs - pingIntervalMs);
	expect(dialled[0]!.sent).not.toContain(type.goaway);
	await clock.advance(2 * pingIntervalMs);
	expect(dialled[0]!.sent).toContain(type.goaway);
	// Nobody waits for it, so it is not asked whether it is alive.
	expect(pings() - before).toBeLessThanOrEqual(1);
	await clock.advance(pingTimeoutMs);
	expect([dialled[0]!.socket.destroyed, clock.pending()]).toEqual([true, 0]);
	request();
	expect(dialled.length).toBe(2);
	await end();
});

test("a connection that was unused for a while is asked for a sign of life with its next stream, one in use is not", async () => {
	const { clock, dialled, request, pings, end } = createLab({ answers: true });
	const use = async (): Promise<void> => {
		request().stream.reset(h2.NGHTTP2_CANCEL);
		await clock.settle();
	};
	await use();
	// The answer to the first question is a sign of life, too, and not the last that it is asked for.
	for (const asked of [1, 2]) {
		await clock.advance(pingIntervalMs - 1);
		await use();
		expect(pings()).toBe(asked - 1);
		await clock.advance(1);
		await use();
		expect(pings()).toBe(asked);
	}
	expect(dialled.length).toBe(1);
	await end();
});

test.each([4_000, 8_000])("one that is silent ends, with a short call every %i ms", async (everyMs) => {
	const { clock, dialled, request, end } = createLab({ answers: false });
	for (let ms = 0; ms < 120_000; ms += everyMs) {
		const { stream } = request();
		await clock.advance(everyMs / 2);
		stream.reset(h2.NGHTTP2_CANCEL);
		await clock.advance(everyMs / 2);
	}
	expect(dialled.length).toBeGreaterThan(2);
	await end();
});

test("a call after the server has said its last word goes to a new connection, while the old one is still closing", async () => {
	const clock = createFakeClock();
	const dialled: Socket[] = [];
	const dial = () => {
		// It takes nothing, so it cannot close in order.
		dialled.push(new Duplex({ read() {}, write() {} }) as Socket);
		return dialled.at(-1)!;
	};
	const client = createStreamClient({ dial, limits, keptAlive, clock });
	client.request([[":path", "/"]], hear().events);
	dialled[0]!.push(null);
	await clock.settle();
	const stream = client.request([[":path", "/"]], hear().events);
	await clock.settle();
	expect([dialled.length, dialled[0]!.destroyed, stream.closed]).toEqual([2, false, false]);
	client.close();
});

test("a client that was closed dials no more, and what is asked of it closes at once", async () => {
	const { dialled, client, request, end } = createLab({ answers: true });
	client.close();
	expect((await request().heard.closed).error?.message).toBe("the client is closed");
	expect(dialled.length).toBe(0);
	await end();
});
