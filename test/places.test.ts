// What is said of an address where a service cannot listen, before anything is started and when one service alone tries.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type ListenOptions } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { freePorts } from "../src/bench/free-ports.ts";
import { addSettings, readSettings } from "../src/config.ts";
import { apiPlace, cachePlaces, namePlace, processorPlace, tellPayments, tryPlaces, urlHere } from "../src/places.ts";
import { Refusal } from "../src/refusal.ts";

const folder = mkdtempSync(join(tmpdir(), "places-"));
afterAll(() => rmSync(folder, { recursive: true }));

function read(...flags: string[]) {
	return readSettings(addSettings(new Command()).exitOverride().parse(flags, { from: "user" }));
}

async function taken(options: ListenOptions): Promise<number> {
	const server = createServer();
	await once(server.listen(options), "listening");
	onTestFinished(() => void server.close());
	return (server.address() as AddressInfo).port;
}

const api = (...flags: string[]) => apiPlace(read(...flags));
const rpc = (at: string) => cachePlaces(read("--rpc-addr", at)).rpc;
const simulator = (port: number) => processorPlace(read("--processor-default-port", String(port)), "default");

describe("before anything is started", () => {
	test("places that can all be had are let go again", async () => {
		const [port, rpcPort, defaultPort] = (await freePorts(3)) as [number, number, number];
		const socket = cachePlaces(read("--rpc-socket", join(folder, "rpc.sock"))).socket;
		const places = [simulator(defaultPort), rpc(`127.0.0.1:${rpcPort}`), socket, api("--port", String(port))];
		expect(await tryPlaces(places)).toBeUndefined();
		expect(await tryPlaces(places)).toBeUndefined();
	});

	test("a port that another process has", async () => {
		const port = await taken({ port: 0, host: "127.0.0.1", reusePort: true });
		const told = /Expected a free port; another relay may have it \(.*EADDRINUSE.*\)\.$/;
		expect(await tryPlaces([api("--port", String(port))])).toMatch(new RegExp(`^PORT is ${port}\\. ${told.source}`));
		expect(await tryPlaces([rpc(`127.0.0.1:${port}`)])).toMatch(/^RPC_ADDR is 127\.0\.0\.1:\d+\. Expected a free port/);
		expect(await tryPlaces([simulator(port)])).toMatch(/^PROCESSOR_DEFAULT_PORT is \d+\. Expected a free port/);
	});

	test("a port that another setting names too", async () => {
		const [port] = (await freePorts(1)) as [number];
		expect(await tryPlaces([simulator(port), api("--port", String(port))])).toBe(
			`PORT is ${port}. Expected a free port; PROCESSOR_DEFAULT_PORT is ${port}.`,
		);
		expect(await tryPlaces([rpc(`127.0.0.1:${port}`), api("--port", String(port))])).toBe(
			`PORT is ${port}. Expected a free port; RPC_ADDR is 127.0.0.1:${port}.`,
		);
	});

	test("a host that is not this machine's, or that nobody knows", async () => {
		expect(await tryPlaces([api("--host", "192.0.2.1", "--port", "1025")])).toMatch(
			/^HOST is 192\.0\.2\.1\. Expected an address of this machine \(.*\)\.$/,
		);
		expect(await tryPlaces([rpc("nobody.invalid:1025")])).toMatch(
			/^RPC_ADDR is nobody\.invalid:1025\. Expected an address of this machine \(.*\)\.$/,
		);
	});

	test("a socket in a folder that is not there, in a file, or where somebody listens", async () => {
		writeFileSync(join(folder, "file"), "");
		const none = `unix:${folder}/none/api.sock`;
		expect(await tryPlaces([api("--api-listen", none)])).toBe(
			`API_LISTEN is ${none}. Expected a path in a folder that is there.`,
		);
		expect(await tryPlaces([cachePlaces(read("--rpc-socket", `${folder}/file/rpc.sock`)).socket])).toBe(
			`RPC_SOCKET is ${folder}/file/rpc.sock. Expected a path in a folder that is there.`,
		);
		await taken({ path: `${folder}/api.sock` });
		expect(await tryPlaces([api("--api-listen", `unix:${folder}/api.sock`)])).toMatch(
			/^API_LISTEN is unix:.*\. Expected a path where a socket can be made \(.*EADDRINUSE.*\)\.$/,
		);
	});
});

describe("a service alone", () => {
	const failed = (fields: object) => Object.assign(new Error("failed"), { syscall: "listen" }, fields);

	test("names the setting of the place that it could not have", async () => {
		const { rpc, socket } = cachePlaces(read("--rpc-addr", "localhost:1025", "--data-dir", folder));
		const told = async (fields: object) => ((await namePlace(failed(fields), [rpc, socket])) as Error).message;
		expect(await told({ code: "EADDRINUSE", port: 1025 })).toMatch(
			/^RPC_ADDR is localhost:1025\. Expected a free port/,
		);
		expect(await told({ code: "EADDRINUSE", address: `${folder}/cache.sock` })).toMatch(
			/^DATA_DIR is .* where a socket/,
		);
		expect(await told({ code: "ENOTFOUND", syscall: "getaddrinfo", hostname: "localhost" })).toMatch(
			/^RPC_ADDR is .*:1025/,
		);
		const refusal = await namePlace(failed({ code: "EACCES", port: 80 }), [api("--port", "80")]);
		expect(refusal).toBeInstanceOf(Refusal);
		expect((refusal as Refusal).message).toBe("PORT is 80. Expected a port that this user may have (failed).");
	});

	test("leaves other errors, and those that may pass, as they are", async () => {
		for (const fields of [
			{ code: "ENOENT", syscall: "open", address: "/x" },
			{ code: "EADDRINUSE", port: 1 },
			{ code: "EAI_AGAIN", syscall: "getaddrinfo", hostname: "0.0.0.0" },
		]) {
			const error = failed(fields);
			expect(await namePlace(error, [api("--port", "80")])).toBe(error);
		}
	});
});

test.each([
	[[], "http://127.0.0.1:9999/payments"],
	[["--host", "::"], "http://[::1]:9999/payments"],
	[["--host", "[::1]", "--port", "80"], "http://[::1]:80/payments"],
	[["--host", "192.0.2.1"], "http://192.0.2.1:9999/payments"],
	[["--api-listen", "unix:/run/api.sock"], "/payments at unix:/run/api.sock"],
])("payments are posted where the api listens: %j", (flags, told) => expect(tellPayments(api(...flags))).toBe(told));

test.each([
	[[], "http://127.0.0.1:8001"],
	[["--processor-host", "0.0.0.0"], "http://127.0.0.1:8001"],
	[["--processor-host", "::1"], "http://[::1]:8001"],
	[["--processor-host", "127.0.0.2", "--processor-default-port", "81"], "http://127.0.0.2:81"],
])("a simulated processor is asked where it listens: %j", (flags, url) =>
	expect(urlHere(processorPlace(read(...flags), "default").address)).toBe(url));
