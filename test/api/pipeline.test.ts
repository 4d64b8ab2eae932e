import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createPipeline } from "../../src/api/pipeline.ts";
import { serveApi, serverLimits } from "../../src/api/serve.ts";
import { exchange, request } from "./bad-input.ts";

function setUp(underWayMax: number) {
	const did: string[] = [];
	const state = { destroyed: false, pause: () => did.push("pause"), resume: () => did.push("resume") };
	const pipeline = createPipeline(underWayMax);
	const ask = (name: string) => {
		const outgoing = new EventEmitter();
		pipeline(state as unknown as Socket, outgoing as ServerResponse, () => did.push(name));
		return () => void outgoing.emit("close");
	};
	return { did, state, ask };
}

test("so many requests of a connection are begun at a time; the next wait, and nothing is read meanwhile", () => {
	const { did, ask } = setUp(2);
	const [a, b, c, d] = [ask("a"), ask("b"), ask("c"), ask("d")];
	expect(did).toEqual(["a", "b", "pause", "pause"]);
	a();
	b();
	expect(did.slice(4)).toEqual(["c", "d", "resume"]);
	c();
	d();
	ask("e");
	expect(did.slice(7), "what was never paused is not resumed").toEqual(["e"]);
});

test("what waits on a connection that has gone is not begun", () => {
	const { did, state, ask } = setUp(1);
	const a = ask("a");
	ask("b");
	state.destroyed = true;
	a();
	expect(did).toEqual(["a", "pause"]);
});

test("thousands of requests in one write are answered one after the other, few of them at a time", async () => {
	const count = 3_000;
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
	expect(most).toBeLessThanOrEqual(serverLimits.underWayMax);
});
