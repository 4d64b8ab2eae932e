// GOAWAY on an idle connection, on Node alone: Deno's own HTTP/2 library may abort the process on this very frame
// (denoland/deno#36788), and no code of ours can hinder it. Servers of ours on Deno close without it.
import { type ClientHttp2Stream, createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { Http2SessionManager } from "@connectrpc/connect-node";
import { afterEach, expect, test } from "vitest";
import { guardSessions } from "../../src/rpc/session-guard.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
	for (const step of undo.splice(0).reverse()) await step();
});

test("GOAWAY on an idle connection, and a call before its socket has closed, end neither the client nor the call", async () => {
	const uncaught: unknown[] = [];
	const note = (error: unknown) => uncaught.push(error);
	process.on("uncaughtException", note);
	undo.push(() => process.off("uncaughtException", note));
	const peer = createHttp2Server({}, (_, response) => response.end());
	await new Promise<void>((resolve) => peer.listen(0, "127.0.0.1", resolve));
	undo.push(() => peer.close());
	const sessions: ServerHttp2Session[] = [];
	peer.on("session", (session) => sessions.push(session));
	const manager = new Http2SessionManager(`http://127.0.0.1:${(peer.address() as AddressInfo).port}`);
	const guarded = guardSessions(manager);
	undo.push(() => manager.abort());
	async function call(): Promise<ClientHttp2Stream> {
		const stream = await guarded.request("GET", "/", {}, {});
		await new Promise((resolve) => stream.resume().once("close", resolve));
		return stream;
	}
	const first = await guarded.request("GET", "/", {}, {});
	const session = first.session!;
	await new Promise((resolve) => first.resume().once("close", resolve));
	const gone = new Promise((resolve) => session.once("close", resolve));
	const second = new Promise<ClientHttp2Stream>((resolve) => session.once("goaway", () => resolve(call())));
	sessions[0]!.goaway(0);
	expect((await second).rstCode).toBe(0);
	await gone;
	await new Promise((resolve) => setImmediate(resolve));
	expect(uncaught).toEqual([]);
});
