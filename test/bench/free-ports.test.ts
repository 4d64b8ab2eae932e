// No two that ask for ports at the same time are given the same one, though nobody listens there yet.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { freePorts } from "../../src/bench/free-ports.ts";
import { onDeno } from "../../src/runtime.ts";
import { projectRoot, runtimeCommand } from "../system/relay.ts";

const run = promisify(execFile);
const processes = 6;
const perProcess = 40;

test("processes that ask at the same time are given different ports", async () => {
	// Each stays until all have asked, as those do that start servers on what they were given.
	const module = JSON.stringify(new URL("../../src/bench/free-ports.ts", import.meta.url).href);
	const script = `const { freePorts } = await import(${module});
		console.log(JSON.stringify(await freePorts(${perProcess})));
		await new Promise((resolve) => process.stdin.resume().on("end", resolve));`;
	const [program, ...words] = runtimeCommand;
	const flags = onDeno ? ["eval", script] : ["--input-type=module", "--eval", script];
	const asked = Array.from({ length: processes }, () => {
		const running = run(program, [...(onDeno ? [] : words), ...flags], {
			cwd: projectRoot,
			timeout: 30_000,
		});
		return { running, line: once(running.child.stdout ?? fail(), "data") };
	});
	const given = await Promise.all(asked.map(async ({ line }) => JSON.parse(String(await line)) as number[]));
	const own = await freePorts(perProcess);
	for (const { running } of asked) running.child.stdin?.end();
	await Promise.all(asked.map(({ running }) => running));

	expect(new Set([...given.flat(), ...own]).size).toBe((processes + 1) * perProcess);
});

test("what somebody listens on is not given, and what was given comes again last", async () => {
	const [first, second] = (await freePorts(2)) as [number, number];
	const server = createServer().listen(first, "127.0.0.1");
	onTestFinished(() => {
		server.close();
	});
	await once(server, "listening");
	const more: number[] = [];
	while (more.at(-1) !== second && more.length < 100) more.push(...(await freePorts(1)));
	expect(more.at(-1)).toBe(second);
	expect(more).not.toContain(first);
	expect(new Set(more).size).toBe(more.length);
});

function fail(): never {
	throw new Error("there is no standard output");
}
