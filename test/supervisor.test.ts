// The supervisor with services that are a line of script each: what it does when one of them hangs, dies or refuses.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { type Clock, systemClock } from "../src/clock.ts";
import type { Logger } from "../src/log.ts";
import { onDeno } from "../src/runtime.ts";
import { exitRefused, type ServiceSpec, supervise } from "../src/supervisor.ts";

/** Says that it is ready, and runs until its input ends. */
const healthy = "console.log('ready'); process.stdin.resume().on('end', () => process.exit(0));";

/** The same, but the end of its input is nothing to it. */
const tenacious = "console.log('ready'); setInterval(() => {}, 1_000);";

function service(name: string, script: string): ServiceSpec {
	// Deno's `-e` is `eval`.
	const run = onDeno ? ["eval"] : ["-e"];
	return { name, command: [process.execPath, ...run, script], env: {} };
}

/** How long a service may take to be ready; only the test says when that has passed. */
const startMs = 123_456;

function start(groups: readonly ServiceSpec[][], stopMs = 5_000) {
	const late: (() => void)[] = [];
	let onLate = () => {};
	const clock: Clock = {
		...systemClock,
		after(ms, task) {
			if (ms !== startMs) return systemClock.after(ms, task);
			late.push(task);
			onLate();
			return () => void late.splice(late.indexOf(task), 1);
		},
	};
	const logged: string[] = [];
	const heard = new Set<() => void>();
	const note = (fields: unknown, text: string) => {
		logged.push(`${text} ${JSON.stringify(fields)}`);
		for (const wake of heard) wake();
	};
	const said: string[] = [];
	const logLines = new PassThrough().resume();
	const supervisor = supervise({
		groups,
		clock,
		log: { error: note, warn: note, info: note } as unknown as Logger,
		say: (line) => said.push(line),
		logLines,
		stopMs,
		startMs,
	});
	supervisor.ready.catch(() => {});
	onTestFinished(async () => {
		supervisor.stop();
		await supervisor.stopped;
	});
	return {
		supervisor,
		said,
		logLines,
		/** Lets the time of whichever service starts pass, so many times in a row. */
		async tooLate(times: number): Promise<void> {
			for (let i = 0; i < times; i++) {
				if (late.length === 0)
					await new Promise<void>((resolve) => {
						onLate = resolve;
					});
				late.shift()!();
			}
		},
		/** Resolves once so many lines of the log contain the text. */
		logs: (text: string, times: number) =>
			new Promise<void>((resolve) => {
				const look = () => {
					if (logged.filter((line) => line.includes(text)).length < times) return;
					heard.delete(look);
					resolve();
				};
				heard.add(look);
				look();
			}),
	};
}

test("sixteen api processes make no noise", async () => {
	const warnings: Error[] = [];
	const onWarning = (warning: Error) => warnings.push(warning);
	process.on("warning", onWarning);
	onTestFinished(() => void process.off("warning", onWarning));
	const many = Array.from({ length: 16 }, (_, i) => service(`api ${i + 1}`, healthy));
	const { supervisor, said } = start([many]);
	await supervisor.ready;
	expect(said).toHaveLength(16);
	supervisor.stop();
	expect(await supervisor.stopped).toBe("told");
	expect(warnings).toEqual([]);
});

test("a service that hangs when it is started again is killed, and started once more", async () => {
	const folder = mkdtempSync(join(tmpdir(), "payrelay-supervisor-"));
	onTestFinished(() => rmSync(folder, { recursive: true }));
	// The first start is ready and dies; each later one hangs.
	const script = `
		const { existsSync, writeFileSync } = require("node:fs");
		if (existsSync(${JSON.stringify(join(folder, "started"))})) process.stdin.resume();
		else {
			writeFileSync(${JSON.stringify(join(folder, "started"))}, "");
			console.log("ready");
			process.exit(1);
		}`;
	const { supervisor, logs, tooLate } = start([[service("cache", script)]]);
	await supervisor.ready;
	await tooLate(2);
	await logs("not ready in time; killed, to be started again", 2);
	await logs('"signal":"SIGKILL"', 2);
});

test("a service that dies before it was ever ready is started again, and those behind it then start", async () => {
	const folder = mkdtempSync(join(tmpdir(), "payrelay-supervisor-"));
	onTestFinished(() => rmSync(folder, { recursive: true }));
	const script = `
		const { existsSync, writeFileSync } = require("node:fs");
		const started = ${JSON.stringify(join(folder, "started"))};
		if (!existsSync(started)) {
			writeFileSync(started, "");
			process.exit(1);
		}
		${healthy}`;
	const { supervisor, said } = start([[service("cache", script)], [service("api", healthy)]]);
	await supervisor.ready;
	expect(said).toHaveLength(2);
});

test("a service that refuses at the first start ends all, and is named", async () => {
	const refuses = service("cache", `process.exit(${exitRefused})`);
	const { supervisor } = start([[service("processor", healthy)], [refuses]]);
	await expect(supervisor.ready).rejects.toThrow("cache refused to start");
	expect(await supervisor.stopped).toBe("refused");
});

test("a service that was ready and refuses later is started again: what it wants may be there by then", async () => {
	const refuses = service("cache", `console.log("ready"); process.exitCode = ${exitRefused};`);
	const { supervisor, logs } = start([[refuses], [service("api", healthy)]]);
	await supervisor.ready;
	const again = logs(`"code":${exitRefused}`, 2);
	expect(await Promise.race([again, supervisor.stopped])).toBeUndefined();
});

test("services stop against the order in which they started, each group once the one behind it has ended", async () => {
	const stops = (name: string, afterMs: number) =>
		service(
			name,
			`process.on("SIGTERM", () => {
				console.error("${name} is told");
				setTimeout(() => {
					console.error("${name} ends");
					process.exit(0);
				}, ${afterMs});
			});
			${tenacious}`,
		);
	const { supervisor, logLines } = start([[stops("cache", 0)], [stops("consumer", 50)], [stops("api", 100)]]);
	let log = "";
	logLines.on("data", (text) => (log += text));
	await supervisor.ready;
	supervisor.stop();
	expect(await supervisor.stopped).toBe("told");
	const told = ["api", "consumer", "cache"].flatMap((name) => [`${name} is told`, `${name} ends`]);
	expect(log.trim().split("\n")).toEqual(told);
});

test("a service that does not stop in its time is killed", async () => {
	const stays = service("cache", `process.on("SIGTERM", () => {}); ${tenacious}`);
	const { supervisor, logs } = start([[stays]], 50);
	await supervisor.ready;
	supervisor.stop();
	expect(await supervisor.stopped).toBe("told");
	await logs("does not stop in time; killed", 1);
});

test("a service that does not stop in its time has its last word", async () => {
	const late = `process.on("SIGTERM", () => setTimeout(() => {
		console.error("did not stop");
		process.exit(1);
	}, 50));`;
	const { supervisor, logLines } = start([[service("cache", `${late} ${tenacious}`)]], 50);
	let log = "";
	logLines.on("data", (text) => (log += text));
	await supervisor.ready;
	supervisor.stop();
	await supervisor.stopped;
	expect(log).toBe("did not stop\n");
});

test("a service that is not ready in time at the first start ends all", async () => {
	const hangs = service("cache", "process.stdin.resume();");
	const { supervisor, tooLate } = start([[service("processor", healthy), hangs]]);
	await tooLate(1);
	await expect(supervisor.ready).rejects.toThrow("stopped before all was ready");
	expect(await supervisor.stopped).toBe("late");
});

test("lines of several services' logs stay whole, also one that comes in pieces, and the last one of a service that ends in it", async () => {
	const slow = `
		process.stderr.write("one ");
		process.on("SIGTERM", () => process.exit(0));
		process.on("exit", () => require("node:fs").writeSync(2, "line\\nlost"));
		${healthy}`;
	const quick = `process.stderr.write("another line\\n"); ${healthy}`;
	const { supervisor, logLines } = start([[service("cache", slow)], [service("api", quick)]]);
	const logged: unknown[] = [];
	logLines.on("data", (chunk) => logged.push(chunk));
	await supervisor.ready;
	supervisor.stop();
	await supervisor.stopped;
	await expect.poll(() => logged.join("")).toBe("another line\none line\nlost\n");
});

test("when the log cannot be written all stops, also services that go on writing", async () => {
	const talks = `setInterval(() => process.stderr.write("x".repeat(100_000)), 5); ${healthy}`;
	const { supervisor, logLines } = start([[service("cache", talks)], [service("api", talks)]]);
	await supervisor.ready;
	logLines.destroy(new Error("write EPIPE"));
	expect(await supervisor.stopped).toBe("log lost");
});
