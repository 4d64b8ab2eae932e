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
