// When a server is taken to be ready.
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { listening, ready } from "../../src/bench/launch.ts";

/** A server that answers by these, one after the other, and then well. */
async function answering(...statuses: readonly number[]) {
	let asked = 0;
	const server = createServer((_, response) => response.writeHead(statuses[asked++] ?? 200).end());
	await once(server.listen(0, "127.0.0.1"), "listening");
	onTestFinished(() => void server.close());
	return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked };
}

const { signal } = new AbortController();

test("a server is ready at its first good answer", async () => {
	const { url, asked } = await answering(502, 502);
	const waits: number[] = [];
	await ready(url, signal, { onWait: (maxMs) => waits.push(maxMs) });
	expect([asked(), waits.length]).toEqual([3, 1]);
});

test("of two sockets both are waited for", async () => {
	const folder = await mkdtemp(join(tmpdir(), "payrelay-"));
	onTestFinished(() => rm(folder, { recursive: true }));
	const [first, second] = [join(folder, "first"), join(folder, "second")];
	await writeFile(first, "");
	let there = false;
	const both = listening([first, second], signal).then(() => expect(there).toBe(true));
	await new Promise((resolve) => setImmediate(resolve));
	there = true;
	await writeFile(second, "");
	await both;
});

test("who takes calls and answers none is not waited for beyond the bound, and that it is waited for is told", async () => {
	const server = createServer(() => {});
	await once(server.listen(0, "127.0.0.1"), "listening");
	onTestFinished(() => void server.closeAllConnections());
	onTestFinished(() => void server.close());
	const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	const waits: number[] = [];
	const late = ready(url, signal, { maxMs: 50, onWait: (maxMs) => waits.push(maxMs) });
	await expect(late).rejects.toThrow("was not ready within 50 ms");
	expect(waits).toEqual([50]);
});
