// The one command of each style: starts every service, reports three deliveries, and shows what comes of it as it happens.
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { systemClock } from "../../src/clock.ts";
import { createLog } from "../../src/log.ts";
import { selfCommand } from "../../src/runtime.ts";
import { stopSignals, supervisedVariable } from "../../src/service-process.ts";
import { exitOf, type ServiceSpec, supervise } from "../../src/supervisor.ts";
import { type FinalState, readFinalState } from "./final-state.ts";
import { type Options, type Style, toWords } from "./options.ts";
import { createWarehouse } from "./warehouse.ts";

export interface Play {
	readonly style: Style;
	readonly options: Options;
	/** Further flags for the inventory. */
	readonly inventoryWords: readonly string[];
	/** Ends when nothing has changed for a while, instead of going on until it is told to stop. */
	readonly once: boolean;
	/** What else there is to show, by its subject. */
	readonly more: (data: string) => Readonly<Record<string, string>>;
}

const stopMs = 12_000;
const startMs = 30_000;
/** The services' databases are read so often, ms. */
const lookMs = 20;
const quietMs = 2_000;

export async function play({ style, options, inventoryWords, once, more }: Play): Promise<void> {
	const data = resolve(options.data);
	await mkdir(data, { recursive: true });
	const module = join(import.meta.dirname, "..", style, "service.ts");
	const spec = (name: string, words: readonly string[] = []): ServiceSpec => ({
		name,
		command: selfCommand(module, [name, ...toWords({ ...options }), ...words]),
		env: { [supervisedVariable]: "1" },
	});
	const say = (line: string) => process.stdout.write(`${line}\n`);
	const supervisor = supervise({
		// Those who are told are there before the first report: a queue holds only what came after it was declared.
		groups: [[spec("catalog"), spec("user")], [spec("inventory", inventoryWords)]],
		clock: systemClock,
		log: await createLog("supervisor", options.logLevel, "text"),
		say,
		logLines: process.stderr,
		stopMs,
		startMs,
	});
	const over = new AbortController();
	let failed = false;
	for (const signal of stopSignals)
		process.on(signal, () => {
			over.abort();
			supervisor.stop();
		});
	try {
		await supervisor.ready;
		say(`\n${instructions(options)}\n`);
		await show(options, data, once, more, say, over.signal);
	} catch (error) {
		if (!over.signal.aborted) {
			say(String(error));
			failed = true;
		}
	}
	supervisor.stop();
	const reason = await supervisor.stopped;
	process.exit(failed && reason === "told" ? 1 : exitOf[reason]);
}

async function show(
	options: Options,
	data: string,
	once: boolean,
	more: Play["more"],
	say: (line: string) => void,
	signal: AbortSignal,
): Promise<void> {
	const warehouse = createWarehouse(options);
	const startedMs = performance.now();
	const tell = (who: string, what: string) =>
		say(`${(performance.now() - startedMs).toFixed(0).padStart(6)} ms  ${who.padEnd(26)} ${what}`);
	const look = () => ({ ...describe(readFinalState(data)), ...more(data) });
	let known: Readonly<Record<string, string>> = look();

	const run = crypto.randomUUID().slice(0, 8);
	tell("warehouse, by a request", "5 of CHAIR-1 came in");
	await warehouse.request({ reportId: `${run}-1`, sku: "CHAIR-1", received: 5, damaged: 0 });
	tell("warehouse, by a file", "3 of TABLE-2 came in, 1 of them damaged");
	await warehouse.drop({ reportId: `${run}-2`, sku: "TABLE-2", received: 3, damaged: 1 });
	tell("warehouse, by a request", "4 of LAMP-1970 came in, which the catalog has given up");
	await warehouse.request({ reportId: `${run}-3`, sku: "LAMP-1970", received: 4, damaged: 0 });
	warehouse.close();

	let changedMs = performance.now();
	while (!(once && performance.now() - changedMs > quietMs)) {
		const now = look();
		for (const [who, what] of Object.entries(now)) {
			if (known[who] === what) continue;
			tell(who, what);
			changedMs = performance.now();
		}
		known = now;
		await systemClock.sleep(lookMs, signal);
	}
}

function describe({ stock, catalog, mails }: FinalState): Record<string, string> {
	return Object.fromEntries([
		...Object.entries(stock).map(([sku, available]) => [`inventory: ${sku}`, `${available} can be sold`]),
		...Object.entries(catalog).map(([sku, available]) => [
			`catalog: ${sku}`,
			available ? "available" : "not available",
		]),
		...mails.map((mail) => [`user: ${mail}`, "mail sent"]),
	]);
}

function instructions({ port, data }: Options): string {
	const url = `http://127.0.0.1:${port}/warehouse.v1.InventoryService/ReportSku`;
	const example = (id: string) => JSON.stringify({ reportId: id, sku: "CHAIR-1", received: 2 });
	return [
		"Report what came in, by a request or by a file:",
		`  curl --http2-prior-knowledge -H 'content-type: application/json' -d '${example("a")}' ${url}`,
		`  echo '${example("b")}' > ${join(data, "reports", "b.json")}`,
		`Mails are in ${join(data, "mails")}, unless they go to an SMTP server.`,
	].join("\n");
}
