// The challenge's script is run as it is, with its addresses and remote imports replaced; k6 itself is a stand-in here.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bench } from "../../src/bench/cli.ts";
import { exitBroken, exitTrouble } from "../../src/bench/exit-status.ts";
import { startStub } from "./stub-relay.ts";

let folder: string;
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), "k6-test-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const script = `
import { textSummary } from "https://jslib.k6.io/k6-summary/0.1.0/index.js";
import { uuidv4 } from "https://jslib.k6.io/k6-utils/1.4.0/index.js";
import { Httpx } from 'https://jslib.k6.io/httpx/0.1.0/index.js';
import Big from "https://cdn.jsdelivr.net/npm/big.js@7.0.1/big.min.js";
const addresses = ['http://localhost:8001', 'http://localhost:8002', "http://localhost:9999"];
`;

const outcome = (changes: object) => ({
	total_liquido: 946.5,
	p99: { valor: "2.5ms" },
	multa: { composicao: { num_inconsistencias: 0 } },
	caixa_dois: { detectado: false },
	lag: { lag: 0 },
	pagamentos_solicitados: { qtd_sucesso: 0, qtd_falha: 0 },
	...changes,
});

/** Runs the scenario with a k6 that does as the given shell commands say. */
async function drive(...commands: string[]) {
	const stub = await startStub("none");
	const [url, defaultUrl, fallbackUrl] = stub.urls;
	const k6 = join(folder, "k6");
	await writeFile(k6, ["#!/bin/sh", ...commands].join("\n"), { mode: 0o755 });
	await writeFile(join(folder, "rinha.js"), script);
	const written: string[] = [];
	const urls = ["--url", url, "--default-url", defaultUrl, "--fallback-url", fallbackUrl];
	try {
		const status = await bench(
			["k6", ...urls, "--k6", k6, "--scripts", folder, "--users", "7", "--drain-seconds", "0.3", "--out", folder],
			{ write: (text: string) => void written.push(text) },
			new AbortController().signal,
		);
		return { status, text: written.join(""), addresses: stub.urls };
	} finally {
		await stub.close();
	}
}

const write = (what: object) => `echo '${JSON.stringify(what)}' > partial-results.json`;

test("the script has all it imports beside it, and the addresses of what is driven", async () => {
	const { status, text, addresses } = await drive(
		"cat rinha.js; ls stand-ins; echo users $MAX_REQUESTS",
		write(outcome({})),
	);
	expect(status).toBe(0);
	for (const address of addresses) expect(text).toContain(address);
	expect(text).not.toMatch(/https:|localhost/);
	expect(text).toContain("users 7");
	const imported = [...text.matchAll(/\.\/stand-ins\/([\w.-]+)/g)].map(([, name]) => name as string);
	expect(imported).toHaveLength(4);
	for (const name of [...imported, "decimal.mjs"]) expect(text.split("\n")).toContain(name);
	expect(text).toContain("p99 of all requests: 2.5 ms");
	expect(text).toContain("score: 946.5");
});

test("what the script finds wrong is a broken promise", async () => {
	const { status, text } = await drive(write(outcome({ caixa_dois: { detectado: true } })));
	expect(status).toBe(exitBroken);
	expect(text).toContain("more payments are in the books than were accepted");
});

test("a script that fails is told of", async () => {
	const { status, text } = await drive("exit 3");
	expect(status).toBe(exitTrouble);
	expect(text).toContain("ended with 3");
});
