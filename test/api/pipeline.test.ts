import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createPipeline } from "../../src/api/pipeline.ts";
import { serveApi, serverLimits } from "../../src/api/serve.ts";
import { exchange, request } from "./bad-input.ts";

function setUp(underWayMax: number, waitingMax = 10) {
	const did: string[] = [];
	const state = {
		destroyed: false,
		pause: () => did.push("pause"),
		resume: () => did.push("resume"),
		destroy() {
			did.push("cut");
			state.destroyed = true;
		},
	};
	const pipeline = createPipeline({ underWayMax, waitingMax });
	const ask = (name: string) => {
		const outgoing = new EventEmitter();
		pipeline(state as unknown as Socket, outgoing as ServerResponse, () => did.push(name));
		return () => void outgoing.emit("close");
	};
	return { did, state, ask };
}

test("so many requests of a connection are begun at a time; the next wait, and nothing more is read meanwhile", async () => {
	const { did, ask } = setUp(2);
	const [a, b, c, d] = [ask("a"), ask("b"), ask("c"), ask("d")];
	expect(did, "what was read with them is parsed first").toEqual(["a", "b"]);
	await undefined;
	expect(did.slice(2)).toEqual(["pause"]);
	a();
	b();
	expect(did.slice(3)).toEqual(["c", "d", "resume"]);
	c();
	d();
	ask("e");
	await undefined;
	expect(did.slice(6), "what was never paused is not resumed").toEqual(["e"]);
});

test("where none waits any more when all is parsed, the connection is not paused", async () => {
	const { did, ask } = setUp(1);
	const a = ask("a");
	ask("b");
	a();
	await undefined;
	expect(did).toEqual(["a", "b"]);
});

test("a connection with more in one read than may wait is cut, and nothing more of it is begun", async () => {
	const { did, ask } = setUp(1, 2);
	const a = ask("a");
	for (const name of ["b", "c", "d", "e"]) ask(name);
	a();
	await undefined;
	expect(did).toEqual(["a", "cut"]);
});

test("what waits on a connection that has gone is not begun", async () => {
	const { did, state, ask } = setUp(1);
	const a = ask("a");
	ask("b");
	await undefined;
	state.destroyed = true;
	a();
	expect(did).toEqual(["a", "pause"]);
});

test("requests in one write are answered one after the other, few of them at a time", async () => {
	const { underWayMax, waitingMax } = serverLimits.pipeline;
	const count = underWayMax + waitingMax;
	let begun = 0;
	let underWay = 0;
	let most = 0;
	const server = await serveApi(
		async () => {
			const mine = begun++;
			most = Math.max(most, ++underWay);
			await new Promise((resolve) => setImmediate(resolve));
			underWay--;
			return new Response(String(mine));
		},
		{ host: "127.0.0.1", port: 0 },
	);
	onTestFinished(() => server.close(0));
	const answers = await exchange(server.address, request("GET /").repeat(count), count);
	expect(answers.map(({ body }) => Number(body))).toEqual(Array.from({ length: count }, (_, n) => n));
	expect(most).toBeLessThanOrEqual(underWayMax);
});
