// The deployment's own nginx before two apis of which one is not well: whom it asks, and how often.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { rawAccepted } from "../../src/api/raw-answer.ts";
import { writeNginxConf } from "../../src/bench/deployment.ts";
import { freePorts } from "../../src/bench/free-ports.ts";
import { testWith } from "./conditions.ts";
import { newPayment, type Posted, post } from "./load.ts";
import { until } from "./until.ts";

const test = testWith("nginx");
const startMaxMs = 10_000;

/** Both apis' folder, and nginx's address once it listens. */
async function startNginx(): Promise<{ folder: string; url: string }> {
	const folder = mkdtempSync(join(tmpdir(), "payrelay-"));
	// Started by root, nginx runs as another user, and has to reach the sockets.
	chmodSync(folder, 0o755);
	onTestFinished(() => rmSync(folder, { recursive: true }));
	const [port] = (await freePorts(1)) as [number];
	const words = ["-p", folder, "-c", await writeNginxConf(folder, port), "-g", "daemon off;"];
	const nginx = spawn("nginx", words, { stdio: "ignore" });
	const exited = once(nginx, "exit");
	onTestFinished(async () => {
		nginx.kill("SIGTERM");
		await exited;
	});
	const url = `http://127.0.0.1:${port}`;
	await until("nginx to listen", startMaxMs, () => fetch(url));
	return { folder, url };
}

/** Counts what it is asked, and accepts it, or cuts the line. */
async function startApi(folder: string, name: string, cuts: boolean): Promise<{ asked: number }> {
	const api = { asked: 0 };
	const server = createServer((socket) => {
		socket.on("error", () => socket.destroy());
		socket.setEncoding("latin1").on("data", (text) => {
			// A payment's body ends with its brace, and may come behind its head.
			if (!/^GET |\}$/.test(String(text))) return;
			api.asked++;
			if (cuts) socket.destroy();
			else socket.write(rawAccepted(60));
		});
	});
	server.listen({ path: join(folder, `${name}.sock`), writableAll: true });
	await once(server, "listening");
	onTestFinished(() => void server.close());
	return api;
}

async function postInTurn(url: string, count: number): Promise<Posted[]> {
	const posted = Array.from({ length: count }, newPayment);
	for (const one of posted) await post(url, one);
	return posted;
}

test("while one api is away the other one takes all payments", async () => {
	const { folder, url } = await startNginx();
	const other = await startApi(folder, "api2", false);
	const posted = await postInTurn(url, 10);
	expect(posted.map(({ status }) => status)).toEqual(posted.map(() => 202));
	expect(other.asked).toBe(posted.length);
});

test("a payment that an api has been sent is handed to no other", async () => {
	const { folder, url } = await startNginx();
	const good = await startApi(folder, "api1", false);
	const bad = await startApi(folder, "api2", true);
	const posted = await postInTurn(url, 10);
	expect(good.asked + bad.asked).toBe(posted.length);
	expect(posted.filter(({ status }) => status === 502)).toHaveLength(bad.asked);
	expect(bad.asked).toBeGreaterThan(0);
});

test("what only reads is asked of the other api where the first one goes before it has answered", async () => {
	const { folder, url } = await startNginx();
	const good = await startApi(folder, "api1", false);
	const bad = await startApi(folder, "api2", true);
	for (let i = 0; i < 10; i++) expect((await fetch(`${url}/payments-summary`)).status).toBe(202);
	expect(good.asked).toBe(10);
	expect(bad.asked).toBeGreaterThan(0);
});
