// A payment's whole life by hand, with nothing but the real buf: the server tells the schema, the README the commands.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BufCurl, bufArguments, bufCommandLine, bufCurls } from "./buf-curl.ts";
import { signal } from "./processes.ts";
import { mainModule, projectRoot, type Relay, runtimeCommand, spawnRelay } from "./relay.ts";
import { until } from "./until.ts";

const callMaxMs = 15_000;
const buf = join(projectRoot, "node_modules/.bin/buf");

let relay: Relay;
let failed = false;
let job: { token: string; epoch: string } = { token: "", epoch: "" };

beforeAll(async () => {
	relay = await spawnRelay({ command: [...runtimeCommand, mainModule, "cache"] });
	await until("the cache to be ready", callMaxMs, () => /cache +ready/.test(relay.output()));
}, 30_000);
afterAll(() => relay.dispose(failed), 60_000);

test.each(bufCurls.map((call) => ({ call, name: call.method })))("buf curl $name, without a schema", {
	timeout: 2 * callMaxMs,
}, async ({ call }) => {
	const request = call.request.replaceAll("TOKEN", job.token).replaceAll("EPOCH", job.epoch);
	const answers = await run({ ...call, request });
	failed ||= answers.length === 0;
	expect(answers.at(-1)).toMatchObject(call.answer);
	const dequeued = answers.at(-1)?.job as typeof job | undefined;
	if (dequeued) job = dequeued;
});

test("buf lists what is served", { timeout: callMaxMs }, async () => {
	const child = spawn(buf, ["curl", "--http2-prior-knowledge", "--list-services", `http://${relay.rpcAddr}`]);
	const text = await textOf(child.stdout);
	for (const service of ["QueueService", "StatsService", "ProcessorService"])
		expect(text).toContain(`payrelay.v1.${service}`);
});

test("the README shows the same commands", () => {
	const readme = readFileSync(join(projectRoot, "README.md"), "utf8");
	for (const call of bufCurls) expect(readme).toContain(bufCommandLine(call));
});

/** The answers; of a stream those up to the first that looks as it must. */
async function run(call: BufCurl): Promise<Record<string, unknown>[]> {
	const args = bufArguments(call, `http://${relay.rpcAddr}`);
	const child = spawn(buf, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
	// What npm puts in place of buf starts the real one as its child, which only their common group reaches.
	const end = (name: NodeJS.Signals): void => signal(-(child.pid as number), name);
	const late = setTimeout(end, callMaxMs, "SIGKILL");
	const errors = textOf(child.stderr);
	const ended = once(child, "close");
	let text = "";
	for await (const chunk of child.stdout) {
		text += chunk;
		if (call.streams && /"jobs"/.test(text) && parse(text)) end("SIGINT");
	}
	await ended;
	clearTimeout(late);
	const answers = parse(text);
	if (!answers || answers.length === 0) throw new Error(`buf said: ${text}${await errors}`);
	return answers;
}

/** JSON objects one after the other; `undefined` while the last is not whole. */
function parse(text: string): Record<string, unknown>[] | undefined {
	try {
		return JSON.parse(`[${text.trim().replace(/\}\s*\n\s*\{/g, "},{")}]`);
	} catch {
		return undefined;
	}
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
	let text = "";
	for await (const chunk of stream) text += chunk;
	return text;
}
