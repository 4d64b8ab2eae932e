// The server around the API: sockets shared and left behind, answers that are never mixed up, and an orderly stop.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { link, mkdtemp, rename, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { serveApi, serverLimits } from "../../src/api/serve.ts";
import { exchange, request } from "./bad-input.ts";

const loopback = { host: "127.0.0.1", port: 0 };
const ended: (() => Promise<unknown>)[] = [];
afterEach(async () => {
	for (const end of ended.splice(0)) await end();
});

type Serve = Parameters<typeof serveApi>;

async function serve(fetch: Serve[0], listen: Serve[1] = loopback, options?: Serve[2]) {
	const server = await serveApi(fetch, listen, options);
	ended.push(() => server.close(0));
	return server;
}

describe("the server", () => {
	test("shares its port with another process's", async () => {
		const first = await serve(() => new Response("x"));
		const port = Number(new URL(first.address).port);
		expect((await serve(() => new Response("x"), { ...loopback, port })).address).toBe(first.address);
	});

	test("has the limits that the README tells", () => {
		const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8").replace(/\s+/g, " ");
		const { pipeline, unreadMaxMs } = serverLimits;
		expect(readme).toContain(`Of one connection ${pipeline.underWayMax} requests are worked on at a time`);
		expect(readme).toContain(`Where more than ${pipeline.waitingMax} beyond them came in one piece`);
		expect(readme).toContain(`could not be sent on for ${unreadMaxMs / 1000} s, as its client does not read`);
	});

	test("takes over the unix socket of a killed process, and leaves that of a living one alone", async () => {
		const folder = await mkdtemp(join(tmpdir(), "payrelay-"));
		ended.push(() => rm(folder, { recursive: true }));
		const path = join(folder, "api.sock");
		const left = createServer().listen(path);
		await once(left, "listening");
		await expect(serveApi(() => new Response(), { path })).rejects.toThrow("EADDRINUSE");
		await leaveBehind(left, path);
		const { address } = await serve(() => new Response("there"), { path });
		const [answer] = await exchange(address, request("GET /"), 1);
		expect([address, answer?.body]).toEqual([`unix:${path}`, "there"]);
	});

	test("lets a thousand callers come at once to a unix socket", async () => {
		const folder = await mkdtemp(join(tmpdir(), "payrelay-"));
		ended.push(() => rm(folder, { recursive: true }));
		const path = join(folder, "api.sock");
		await serve(() => new Response("x"), { path });
		const callers = Array.from({ length: 1_000 }, () => connect(path));
		try {
			await Promise.all(callers.map((caller) => once(caller, "connect")));
		} finally {
			// Before the server closes, which resets those that it has not accepted yet.
			for (const caller of callers) caller.destroy();
		}
	});

	test("gives a request its own answer, though what follows on its connection cannot be read", async () => {
		const asked = Promise.withResolvers<void>();
		const stored = Promise.withResolvers<void>();
		const { address } = await serve(async () => {
			asked.resolve();
			await stored.promise;
			return new Response("stored", { status: 202 });
		});
		const answers = exchange(address, `${request("GET /")}\x00\x00\r\n\r\n`, 2);
		await asked.promise;
		stored.resolve();
		expect((await answers).map(({ status, body }) => [status, body])).toEqual([[202, "stored"]]);
	});

	test("answers nothing behind a body that it did not ask for", async () => {
		const { address } = await serve(() => new Response("no", { status: 413 }), loopback, { bodyMaxBytes: () => 9 });
		const body = request("GET /");
		const unasked = request("POST /", [`Content-Length: ${body.length}`, "Expect: 100-continue"], body);
		const answers = await exchange(address, unasked + request("GET /"), 2);
		expect(answers.map(({ status, headers }) => [status, headers.get("connection")])).toEqual([[413, "close"]]);
	});

	test("cuts whoever does not read its answer, and nobody who waits for one", async () => {
		const asked = Promise.withResolvers<void>();
		const stored = Promise.withResolvers<void>();
		const cut = Promise.withResolvers<void>();
		const endless = new ReadableStream({
			pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)),
			cancel: () => cut.resolve(),
		});
		const fetch = async ({ url }: Request): Promise<Response> => {
			if (url.endsWith("/endless")) return new Response(endless);
			asked.resolve();
			await stored.promise;
			return new Response("stored", { status: 202 });
		};
		const { address } = await serve(fetch, loopback, { limits: { ...serverLimits, unreadMaxMs: 50 } });
		const answers = exchange(address, request("GET /"), 1);
		await asked.promise;
		const deaf = connect(Number(new URL(address).port), "127.0.0.1").pause();
		ended.push(async () => deaf.destroy());
		deaf.write(request("GET /endless"));
		await cut.promise;
		stored.resolve();
		expect((await answers)[0]?.status).toBe(202);
	});

	test("answers what it has when it stops, and takes nothing new", async () => {
		const asked = Promise.withResolvers<void>();
		const stored = Promise.withResolvers<void>();
		const server = await serveApi(async () => {
			asked.resolve();
			await stored.promise;
			return new Response("stored", { status: 202 });
		}, loopback);
		const answers = exchange(server.address, request("GET /"), 1);
		const idle = connect(Number(new URL(server.address).port), "127.0.0.1");
		await Promise.all([asked.promise, once(idle, "connect")]);
		const closed = server.close(60_000);
		await expect(exchange(server.address, request("GET /"), 1)).rejects.toThrow("ECONNREFUSED");
		stored.resolve();
		expect((await answers)[0]?.status).toBe(202);
		idle.destroy();
		await closed;
	});

	test("cuts what does not end within the grace", async () => {
		const asked = Promise.withResolvers<void>();
		const server = await serveApi(() => {
			asked.resolve();
			return new Promise<Response>(() => {});
		}, loopback);
		const answers = exchange(server.address, request("GET /"), 1);
		await asked.promise;
		await server.close(0);
		expect(await answers.catch(() => [])).toEqual([]);
	});

	test("refuses to start where it cannot listen", async () => {
		await expect(serveApi(() => new Response(), { path: "/nonexistent/api.sock" })).rejects.toThrow();
	});
});

/** Closes a server as a kill would: its socket's file stays. */
async function leaveBehind(server: ReturnType<typeof createServer>, path: string): Promise<void> {
	await link(path, `${path}.kept`);
	server.close();
	await once(server, "close");
	await rename(`${path}.kept`, path);
}
