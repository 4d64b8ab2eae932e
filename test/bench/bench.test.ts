// The bench as a whole: a small load on a stub relay and two simulated processors, honest and lying.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bench } from "../../src/bench/cli.ts";
import { exitBroken, exitTrouble } from "../../src/bench/exit-status.ts";
import type { RunResult } from "../../src/bench/run.ts";
import { type Lie, startStub } from "./stub-relay.ts";

let folder: string;
beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), "bench-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs a scenario against a stub that lies so; gives the exit status, what was printed, and the result file. */
async function drive(lie: Lie, scenario: string, ...args: string[]) {
	const stub = await startStub(lie);
	const [url, defaultUrl, fallbackUrl] = stub.urls;
	const written: string[] = [];
	const urls = ["--url", url, "--default-url", defaultUrl, "--fallback-url", fallbackUrl];
	const out = { write: (text: string) => void written.push(text) };
	// A liar's payments never come; an honest relay has time, on a busy machine too.
	const drainS = lie === "none" ? "20" : "0.3";
	const usual = ["--out", folder, "--connections", "16", "--drain-seconds", drainS];
	try {
		const status = await bench([scenario, ...urls, ...usual, ...args], out, new AbortController().signal);
		const text = written.join("");
		const where = /results in (.*)\n/.exec(text)?.[1] ?? "";
		const result = JSON.parse(await readFile(join(where, "result.json"), "utf8"));
		return { status, text, result, chart: () => readFile(join(where, "chart.svg"), "utf8") };
	} finally {
		await stub.close();
	}
}

const short = ["--rate", "150", "--seconds", "0.4", "--warm-up", "0"];

describe.concurrent("driving a relay", () => {
	test("an honest relay passes, with its figures in a table, a file and a picture", async () => {
		const { status, text, result, chart } = await drive("none", "steady", ...short, "--audit-every", "0.2");
		expect(text).toContain("every promise kept");
		expect(status).toBe(0);
		const [run] = result.runs;
		expect(run.counts).toEqual({ sent: 60, accepted: 60, failed: {} });
		expect(run.charged.default.count).toBe(60);
		expect(run.byId).toMatchObject({ unpaid: 0, doubled: 0, wrongAmount: 0, neverPosted: 0 });
		expect(run.audits.length).toBeGreaterThan(0);
		expect(run.latency.count).toBe(60);
		expect(run.score.net).toBe((Number(run.charged.default.cents) * 0.95).toFixed(2));
		expect(await chart()).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
	});

	test("a setting is kept with the result, a secret is not", async () => {
		const env = [
			"--env",
			"WORKERS=7",
			"--env",
			"AMQP_URL=amqp://relay:hunter2@127.0.0.1",
			"--env",
			"PROCESSOR_TOKEN=hunter3",
			"--env",
			"PROCESSOR_DEFAULT_URL=http://relay:hunter5@127.0.0.1:1",
		];
		const { result } = await drive("none", "steady", ...short, ...env, "--admin-key", "hunter4");
		expect(result.machine.setting.env).toEqual({ WORKERS: "7", PROCESSOR_DEFAULT_URL: "http://127.0.0.1:1" });
		expect(JSON.stringify(result)).not.toContain("hunter");
	});

	const lies: [Lie, string][] = [
		["doubles", "1 payments were charged more than once"],
		["loses", "1 acknowledged payments were charged nowhere"],
		["overcharges", "1 payments were charged with another amount"],
		["misreports", "books at the end: default, in all"],
		["charges what it refused", "1 payments were refused by the relay, and charged"],
	];
	test.each(lies)("a relay that %s is caught", async (lie, told) => {
		const { status, text, result } = await drive(lie, "steady", ...short);
		expect(text).toContain(told);
		expect(result.violations.length).toBeGreaterThan(0);
		expect(status).toBe(exitBroken);
	});

	test("a relay that answers no audit is caught, too", async () => {
		const { status, text } = await drive("hides its books", "steady", ...short, "--audit-every", "0.2");
		expect(text).toMatch(/\d audits got no answer/);
		expect(status).toBe(exitBroken);
	});

	test("a summary's latency is measured at so many settled payments", async () => {
		const { status, result } = await drive("none", "summary", "--counts", "50", "--queries", "20");
		expect(status).toBe(0);
		expect(result.figures.map(({ unit }: { unit: string }) => unit)).toEqual(["ms", "ms"]);
	});

	test("another server beside the relay begins each turn empty and with well processors, now after it and now before", async ({
		onTestFinished,
	}) => {
		const other = await startStub("none");
		onTestFinished(other.close);
		const admin = { "x-rinha-token": "123", "content-type": "application/json" };
		for (const url of other.urls.slice(1)) {
			const failing = { method: "PUT", headers: admin, body: JSON.stringify({ failure: true }) };
			expect((await fetch(`${url}/admin/configurations/failure`, failing)).ok).toBe(true);
		}
		const rounds = ["--rates", "100", "--seconds", "0.3", "--warm-up", "0", "--rounds", "2"];
		const beside = ["--beside", `other=${other.urls.join(",")}`];
		const { status, text, result } = await drive("none", "budget", ...rounds, ...beside);
		expect(status).toBe(0);
		expect(text.match(/(?<=^100\/s )\w+(?=: p50)/gm)).toEqual(["relay", "other", "other", "relay"]);
		expect(result.figures).toContainEqual({ name: "other at 100/s, failed", value: 0, unit: "posts" });
		for (const { runs, violations } of [result, result.rivals.other]) {
			expect(violations).toEqual([]);
			expect(runs.map((run: RunResult) => run.charged.default.count)).toEqual([30, 30]);
		}
	});

	test("a wrong option is told of, and is no broken promise; help is no trouble at all", async () => {
		const written: string[] = [];
		const out = { write: (text: string) => void written.push(text) };
		const signal = new AbortController().signal;
		expect(await bench(["steady", "--rate", "-3"], out, signal)).toBe(exitTrouble);
		expect(written.join("")).toContain("Expected a number above 0");
		expect(await bench(["ladder", "--runs", "2"], out, signal)).toBe(exitTrouble);
		expect(written.join("")).toContain("unknown option '--runs'");
		expect(await bench(["preview", "--help"], out, signal)).toBe(0);
		expect(written.join("")).toContain("the public challenge's preview run");
	});

	test("what cannot be reached is the bench's trouble, and no broken promise", async () => {
		const out = { write: () => {} };
		const args = ["steady", "--url", "http://127.0.0.1:1", "--out", folder];
		const stopped = AbortSignal.abort(new Error("stopped"));
		expect(await bench(args, out, stopped)).toBe(exitTrouble);
	});

	test("nor is a folder for the results that cannot be made", async () => {
		const file = join(folder, "file");
		await writeFile(file, "");
		const written: string[] = [];
		const out = { write: (text: string) => void written.push(text) };
		const args = ["regret", "--count", "1", "--out", join(file, "results")];
		expect(await bench(args, out, new AbortController().signal)).toBe(exitTrouble);
		expect(written.join("")).toContain("ENOTDIR");
	});
});
