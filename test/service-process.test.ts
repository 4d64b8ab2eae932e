// The life of a service's process, with services that are a line of script each: told to stop, it ends with status 0.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";

const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
const module = new URL("../src/service-process.ts", import.meta.url).href;

/** Runs a service with this body of its `start`; resolves once it has said its first line. */
async function run(start: string) {
	const script = `
		import { runServiceProcess } from ${JSON.stringify(module)};
		const settings = { name: "one", supervised: false, stopMs: 60_000, logLevel: "info", logFormat: "json" };
		setInterval(() => {}, 1_000);
		await runServiceProcess({ ...settings, async start() { ${start} } });`;
	const words = "Deno" in globalThis ? ["eval", script] : ["--input-type=module", "-e", script];
	const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
	const exited = once(child, "exit") as Promise<[code: number | null, signal: string | null]>;
	onTestFinished(async () => {
		child.kill("SIGKILL");
		await exited;
	});
	const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
	return { child, exited, line };
}

/** By its number: Deno takes `child.kill` for the way in which it ended. */
function tell(child: ChildProcess, signal: NodeJS.Signals): void {
	process.kill(child.pid!, signal);
}

// In a container it is the first process, and gets no signal that it does not listen to.
test.each(signals)("%s ends a service that is still starting", async (name) => {
	const { child, exited, line } = await run("console.log('starting'); await new Promise(() => {});");
	expect(line).toBe("starting");
	tell(child, name);
	expect(await exited).toEqual([0, null]);
});

test.each(signals)("%s has a service close what it has, once, and end", async (name) => {
	const { child, exited, line } = await run(`
		let closed = 0;
		const close = async () => {
			if (++closed > 1) process.exit(3);
			const again = new Promise((resolve) => process.once("${name}", resolve));
			process.kill(process.pid, "${name}");
			await again;
		};
		return { address: "nowhere", close };`);
	expect(line).toMatch(/^one +ready {2}nowhere$/);
	tell(child, name);
	expect(await exited).toEqual([0, null]);
});
