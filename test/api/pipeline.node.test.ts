// Requests without end on one connection: they take no memory. On Node only: Deno reads one request of a connection at a time.
import { once } from "node:events";
import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { serveApi, serverLimits } from "../../src/api/serve.ts";
import { liveBytes } from "../live-bytes.ts";
import { request } from "./bad-input.ts";

async function serveHeld() {
	let begun = 0;
	const server = await serveApi(
		() => {
			begun++;
			return new Promise<Response>(() => {});
		},
		{ host: "127.0.0.1", port: 0 },
		{ acceptPayment: () => Promise.reject(new Error("no payment")) },
	);
	onTestFinished(() => server.close(0));
	const client = connect(Number(new URL(server.address).port), "127.0.0.1");
	onTestFinished(() => void client.destroy());
	client.on("error", () => {});
	return { client, begun: () => begun };
}

test("requests without end, none of them answered, that come in small reads, stay with their caller", async () => {
	const { client, begun } = await serveHeld();
	const padding = [`X-Padding: ${"x".repeat(2_000)}`];
	const bytes = Buffer.from(request("GET /", padding).repeat(10_000));
	const before = liveBytes();
	client.write(bytes);
	await expect.poll(begun).toBe(serverLimits.pipeline.underWayMax);
	for (let turn = 0; turn < 2_000; turn++) await new Promise((resolve) => setImmediate(resolve));
	expect(client.writableLength).toBeGreaterThan(0);
	expect(liveBytes() - before).toBeLessThan(15e6);
});

test("more requests in one read than may wait end their connection", async () => {
	const { client, begun } = await serveHeld();
	const closed = once(client, "close");
	client.write(request("GET /").repeat(1_000));
	await closed;
	expect(begun()).toBe(serverLimits.pipeline.underWayMax);
});
