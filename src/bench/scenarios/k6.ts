// The public challenge's own load script, run by k6: what it says of the relay, and then whether the books agree.
//
// The script imports four modules from the network and names fixed ports. It is copied, and both are replaced.
import { spawn } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Terminal } from "../live.ts";
import type { Figure } from "../results.ts";
import type { Scenario } from "../scenario.ts";
import { compareBooks, makeWell, waitUntilDrained } from "../settling.ts";
import type { Target } from "../target.ts";

export interface K6Options {
	/** The program. */
	readonly k6: string;
	/** The folder with the challenge's `rinha.js`. */
	readonly scripts: string;
	readonly users: number;
}

/** Of what the script writes at its end. */
interface Outcome {
	readonly total_liquido: number;
	readonly p99: { readonly valor: string };
	readonly multa: { readonly composicao: { readonly num_inconsistencias: number } };
	readonly caixa_dois: { readonly detectado: boolean };
	readonly lag: { readonly lag: number };
	readonly pagamentos_solicitados: { readonly qtd_sucesso: number; readonly qtd_falha: number };
}

const standIns = fileURLToPath(new URL("../../../bench/k6/", import.meta.url));
const remoteModules: readonly (readonly [RegExp, string])[] = [
	[/https:\/\/jslib\.k6\.io\/k6-summary\/[^"']*/g, "./stand-ins/k6-summary.js"],
	[/https:\/\/jslib\.k6\.io\/k6-utils\/[^"']*/g, "./stand-ins/k6-utils.js"],
	[/https:\/\/jslib\.k6\.io\/httpx\/[^"']*/g, "./stand-ins/httpx.js"],
	[/https:\/\/cdn\.jsdelivr\.net\/npm\/big\.js[^"']*/g, "./stand-ins/big.js"],
];

export const k6: Scenario<K6Options> = async (bench, options) => {
	const { target, out, signal } = bench;
	const outcome = await runScript(target, options, out, signal);
	await makeWell(target);
	const { qtd_sucesso: accepted, qtd_falha: failed } = outcome.pagamentos_solicitados;
	const drainMs = bench.options.drainS * 1000;
	const { drained } = await waitUntilDrained(target, accepted, failed, drainMs, signal);
	// Not a broken promise: the script reads the relay and the processors at moments of their own.
	const inconsistent = outcome.multa.composicao.num_inconsistencias;
	const figures: Figure[] = [
		{ name: "accepted", value: accepted, unit: "payments" },
		{ name: "failed", value: failed, unit: "requests" },
		{ name: "p99 of all requests", value: Number.parseFloat(outcome.p99.valor), unit: "ms" },
		{ name: "score", value: outcome.total_liquido, unit: "" },
		{ name: "differences found by the script", value: inconsistent, unit: "payments" },
		{ name: "unpaid when the load ended", value: outcome.lag.lag, unit: "payments" },
	];
	const violations = [
		...(outcome.caixa_dois.detectado ? ["more payments are in the books than were accepted"] : []),
		...(drained ? [] : [`not everything accepted was settled within ${drainMs} ms after the load`]),
		...(await compareBooks(target)).map((what) => `books at the end: ${what}`),
	];
	return { scenario: "k6", runs: [], violations, figures };
};

async function runScript(target: Target, options: K6Options, out: Terminal, signal: AbortSignal): Promise<Outcome> {
	const folder = await mkdtemp(join(tmpdir(), "payrelay-k6-"));
	try {
		await prepare(folder, options.scripts, target);
		await execute(options, folder, out, signal);
		return JSON.parse(await readFile(join(folder, "partial-results.json"), "utf8")) as Outcome;
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}

async function prepare(folder: string, scripts: string, target: Target): Promise<void> {
	const addresses: readonly (readonly [RegExp, string])[] = [
		[/http:\/\/localhost:8001/g, target.processorUrls.default],
		[/http:\/\/localhost:8002/g, target.processorUrls.fallback],
		[/http:\/\/localhost:9999/g, target.url],
	];
	const missing = new Set(addresses);
	for (const name of (await readdir(scripts)).filter((one) => one.endsWith(".js"))) {
		let text = await readFile(join(scripts, name), "utf8");
		for (const replaced of [...remoteModules, ...addresses]) {
			const [from, to] = replaced;
			if (text.search(from) !== -1) missing.delete(replaced);
			text = text.replaceAll(from, to);
		}
		await writeFile(join(folder, name), text);
	}
	if (missing.size > 0) throw new Error(`the script in ${scripts} does not name the challenge's addresses`);
	await mkdir(join(folder, "stand-ins"));
	for (const name of await readdir(standIns)) await copyFile(join(standIns, name), join(folder, "stand-ins", name));
	const decimal = join(dirname(createRequire(import.meta.url).resolve("decimal.js")), "decimal.mjs");
	await copyFile(decimal, join(folder, "stand-ins", "decimal.mjs"));
}

function execute({ k6, users }: K6Options, cwd: string, out: Terminal, signal: AbortSignal): Promise<void> {
	// With it, the script would write its results into a folder that only the challenge's own repository has.
	const { PARTICIPANT: _, ...env } = process.env;
	return new Promise((resolve, reject) => {
		const child = spawn(k6, ["run", "--quiet", "--no-usage-report", "rinha.js"], {
			cwd,
			env: { ...env, MAX_REQUESTS: String(users) },
			stdio: ["ignore", "pipe", "pipe"],
			signal,
		});
		child.stdout.on("data", (text: Buffer) => void out.write(text.toString()));
		child.stderr.on("data", (text: Buffer) => void out.write(text.toString()));
		child.once("error", reject);
		child.once("exit", (code, how) => (code === 0 ? resolve() : reject(new Error(`${k6} ended with ${how ?? code}`))));
	});
}
