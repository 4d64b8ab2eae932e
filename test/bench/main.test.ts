// The bench as a process.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { exitTrouble } from "../../src/bench/exit-status.ts";
import { runtimeCommand } from "../system/relay.ts";
import { startStub } from "./stub-relay.ts";

test("ends in order where nobody reads what it says any more", async () => {
	const stub = await startStub("none");
	const folder = mkdtempSync(join(tmpdir(), "bench-test-"));
	onTestFinished(async () => {
		await stub.close();
		rmSync(folder, { recursive: true });
	});
	const [url, defaultUrl, fallbackUrl] = stub.urls;
	const targets = ["--url", url, "--default-url", defaultUrl, "--fallback-url", fallbackUrl];
	const main = new URL("../../src/bench/main.ts", import.meta.url).pathname;
	const [program, ...run] = runtimeCommand;
	const words = ["steady", ...targets, "--rate", "1", "--warm-up", "0", "--seconds", "600", "--out", folder];
	const child = spawn(program, [...run, main, ...words], { stdio: ["ignore", "pipe", "pipe"] });
	onTestFinished(() => void child.kill("SIGKILL"));
	child.stdout.destroy();
	const [said, [status]] = await Promise.all([text(child.stderr), once(child, "exit")]);
	expect(said).toBe("");
	expect(status).toBe(exitTrouble);
});
