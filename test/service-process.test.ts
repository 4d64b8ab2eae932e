// The life of a service's process, with services that are a line of script each: how it ends, and what it says then.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { onDeno, sendSignal } from "../src/runtime.ts";

const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
const module = new URL("../src/service-process.ts", import.meta.url).href;

/** Runs a service with this body of its `start(log, fail)`. */
function run(start: string) {
	const script = `
		import { runServiceProcess } from ${JSON.stringify(module)};
		const settings = { name: "one", supervised: false, stopMs: 60_000, logLevel: "info", logFormat: "json" };
		setInterval(() => {}, 1_000);
		await runServiceProcess({ ...settings, async start(log, fail) { ${start} } });`;
	const words = onDeno ? ["eval", script] : ["--input-type=module", "-e", script];
	const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "pipe"] });
	const exited = once(child, "exit") as Promise<[code: number | null, signal: string | null]>;
	onTestFinished(async () => {
		child.kill("SIGKILL");
		await exited;
	});
	return {
		child,
		exited,
		/** What it says first. */
		line: () => once(createInterface({ input: child.stdout }), "line").then(([line]) => line as string),
		log: () => text(child.stderr),
	};
}

// In a container it is the first process, and gets no signal that it does not listen to.
test.each(signals)("%s ends a service that is still starting", async (name) => {
	const { child, exited, line } = run("console.log('starting'); await new Promise(() => {});");
	expect(await line()).toBe("starting");
	sendSignal(child, name);
	expect(await exited).toEqual([0, null]);
});

test.each(signals)("%s in the last moment of its start is not lost", async (name) => {
	const { exited } = run(`process.kill(process.pid, "${name}"); return { address: "nowhere", async close() {} };`);
	expect(await exited).toEqual([0, null]);
});

test.each(signals)("%s has a service close what it has, once, and end", async (name) => {
	const { child, exited, line } = run(`
		let closed = 0;
		const close = async () => {
			if (++closed > 1) process.exit(3);
			const again = new Promise((resolve) => process.once("${name}", resolve));
			process.kill(process.pid, "${name}");
			await again;
		};
		return { address: "nowhere", close };`);
	expect(await line()).toMatch(/^one +ready {2}nowhere$/);
	sendSignal(child, name);
	expect(await exited).toEqual([0, null]);
});

test.each([
	["at its start", "throw new Error('database or disk is full');", "cannot start: database or disk is full"],
	[
		"later",
		"const cause = new Error('ENOSPC: no space left on device, write'); fail(new Error('failed', { cause })); return {};",
		"promises can no longer be kept; the process ends: ENOSPC: no space left on device, write",
	],
])("a full disk is told of in one line, and where in the code it was met in none: %s", async (_, start, message) => {
	const { exited, log } = run(start);
	const lines = (await log()).trimEnd().split("\n");
	expect(lines.map((line) => JSON.parse(line))).toEqual([
		{ level: 60, time: expect.any(String), service: "one", msg: message },
	]);
	expect(await exited).toEqual([1, null]);
});
