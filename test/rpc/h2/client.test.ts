// When a client's connection is given up, in simulated time.
import { constants as h2 } from "node:http2";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { createStreamClient } from "../../../src/rpc/h2/client.ts";
import { createFakeClock } from "../../fake-clock.ts";
import { hear, keptAlive, limits } from "./lab.ts";

/** A connection whose other side takes everything and never says a word. */
const silent = (): Socket =>
	new Duplex({
		read() {},
		write(_chunk, _encoding, done) {
			done();
		},
	}) as Socket;

/** One whose other side reads nothing, so that it cannot close in order. */
const stuck = (): Socket => new Duplex({ read() {}, write() {} }) as Socket;

test.each([4_000, 8_000])("one that is silent ends, with a short call every %i ms", async (everyMs) => {
	const clock = createFakeClock();
	let dialled = 0;
	const dial = () => {
		dialled++;
		return silent();
	};
	const client = createStreamClient({ dial, limits, keptAlive, clock });
	for (let ms = 0; ms < 120_000; ms += everyMs) {
		const stream = client.request([[":path", "/"]], hear().events);
		await clock.advance(everyMs / 2);
		stream.reset(h2.NGHTTP2_CANCEL);
		await clock.advance(everyMs / 2);
	}
	expect(dialled).toBeGreaterThan(2);
	client.close();
	await clock.settle();
	expect(clock.pending()).toBe(0);
});

test("a call after the server has said its last word goes to a new connection, while the old one is still closing", async () => {
	const clock = createFakeClock();
	const dialled: Socket[] = [];
	const dial = () => {
		dialled.push(stuck());
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
