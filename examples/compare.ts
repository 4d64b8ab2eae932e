// Measures choreography beside orchestration on a real broker, and prints the table: one command, no state left behind.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import type { AmqpCounters } from "../src/amqp/counters.ts";
import { systemClock } from "../src/clock.ts";
import { amqpUrls, integer } from "../src/setting-values.ts";
import { read } from "./warehouse/final-state.ts";
import { createFleet, type Fleet } from "./warehouse/fleet.ts";
import type { Style } from "./warehouse/options.ts";
import { removeQueues } from "./warehouse/remove-queues.ts";
import { createWarehouse, type Warehouse } from "./warehouse/warehouse.ts";

interface Way {
	readonly title: string;
	readonly style: Style;
	readonly inventoryWords: readonly string[];
	/** What must be done at the inventory so that a further service is told. */
	readonly joinWords: readonly string[] | undefined;
}

const ways: readonly Way[] = [
	{ title: "choreography, exchange", style: "choreography", inventoryWords: [], joinWords: undefined },
	{
		title: "choreography, known queues",
		style: "choreography",
		inventoryWords: ["--queues=catalog,user"],
		joinWords: ["--queues=catalog,user,reorder"],
	},
	{ title: "orchestration", style: "orchestration", inventoryWords: [], joinWords: ["--reorder"] },
];

interface CompareOptions {
	readonly amqpUrl: string;
	readonly port: number;
	readonly reports: number;
	readonly downMs: number;
}

/** One way, with what it runs on. */
interface Stage extends Way {
	readonly data: string;
	readonly fleet: Fleet;
	readonly warehouse: Warehouse;
	/** Reports that were told. */
	told: number;
	/** When each report left the warehouse, by its SKU, ms since the Unix epoch. */
	readonly sentMs: Map<string, number>;
}

const listeners = ["catalog", "user"];
const lookMs = 10;
const settleMs = 60_000;
/** Reports before the measured ones: what runs for the first time is not what is asked. */
const warmUp = 50;
/** Reports while a service is down. */
const whileDown = 20;

await new Command("compare")
	.description("Compares choreography and orchestration: messages, latency, and a service that is down or joins.")
	.option("--amqp-url <url>", "the broker", amqpUrls(), "amqp://127.0.0.1:5672")
	.option("--port <port>", "the first of three, for the inventories, on loopback", integer(1, 65_533), 7070)
	.option("--reports <count>", "reports one after the other, and then as many at once", integer(10, 2_000), 200)
	.option("--down-ms <ms>", "how long the catalog is stopped", integer(100, 60_000), 3_000)
	.action(compare)
	.parseAsync();

async function compare(options: CompareOptions): Promise<void> {
	const stages: Stage[] = [];
	try {
		for (const [index, way] of ways.entries()) stages.push(await setUp(way, options, options.port + index));
		const columns = await measure(stages, options);
		const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
		const lines = [
			row(["", ...ways.map(({ title }) => title)]),
			row(["---", ...ways.map(() => "---:")]),
			...Object.keys(columns[0]!).map((name) => row([name, ...columns.map((column) => column[name]!)])),
		];
		process.stdout.write(`${lines.join("\n")}\n`);
	} finally {
		for (const stage of stages) await cleanUp(stage);
	}
}

async function setUp(way: Way, { amqpUrl, reports }: CompareOptions, port: number): Promise<Stage> {
	const data = await mkdtemp(join(tmpdir(), "compare-"));
	const seed = join(data, "seed.json");
	const wishlists = Array.from({ length: warmUp + 4 * reports + whileDown }, (_, n) => ({
		user: "ada",
		email: "ada@example.org",
		sku: sku(n),
	}));
	await writeFile(seed, JSON.stringify({ discontinued: [], wishlists }));
	const namespace = `compare-${crypto.randomUUID()}`;
	const options = { amqpUrl, namespace, data, port, seed, smtpUrl: "", logLevel: "error" };
	const fleet = createFleet(way.style, options, (text) => process.stderr.write(text));
	const stage = { ...way, data, fleet, warehouse: createWarehouse(options), told: 0, sentMs: new Map() };
	for (const service of listeners) await fleet.start(service);
	await fleet.start("inventory", ...way.inventoryWords);
	return stage;
}

async function cleanUp({ warehouse, fleet, data }: Stage): Promise<void> {
	warehouse.close();
	await fleet.end();
	await removeQueues(fleet.options.amqpUrl, fleet.options.namespace);
	await rm(data, { recursive: true });
}

async function measure(stages: readonly Stage[], { reports, downMs }: CompareOptions) {
	process.stderr.write(`${reports} reports one after the other, each way in turn, so that all meet the same machine\n`);
	await serially(stages, warmUp);
	const first = warmUp;
	await serially(stages, reports);
	const columns: Record<string, string>[] = [];
	for (const stage of stages) {
		process.stderr.write(`${stage.title}: many at once, a service that is down, messages\n`);
		const latencies = latenciesMs(stage, first);
		const burstMs = await atOnce(stage, reports);
		const down = await withCatalogDown(stage, downMs);
		const joinWords = stage.joinWords ?? stage.inventoryWords;
		const messages = await countMessages(stage, listeners, stage.inventoryWords, reports);
		const more = await countMessages(stage, [...listeners, "reorder"], joinWords, reports);
		columns.push({
			"report to final state, p50 ms": quantile(latencies, 0.5).toFixed(0),
			"report to final state, p99 ms": quantile(latencies, 0.99).toFixed(0),
			[`${reports} reports at once, all done after ms`]: burstMs.toFixed(0),
			"messages to the broker, a report": messages.published.toFixed(1),
			"messages from the broker, a report": messages.delivered.toFixed(1),
			"to the broker, with a further service": more.published.toFixed(1),
			"from the broker, with a further service": more.delivered.toFixed(1),
			"restarted so that a further service is told": stage.joinWords ? "inventory" : "nothing",
			[`mails sent while the catalog is down, of ${whileDown}`]: String(down.mails),
			"catalog back until all have caught up, ms": down.catchUpMs.toFixed(0),
		});
	}
	return columns;
}

/** Each report has a SKU of its own, for which somebody wishes. */
function sku(n: number): string {
	return `SKU-${n}`;
}

async function tell(stage: Stage): Promise<string> {
	const name = sku(stage.told++);
	stage.sentMs.set(name, Date.now());
	await stage.warehouse.request({ reportId: name, sku: name, received: 1, damaged: 0 });
	return name;
}

/** The next report when the one before has come to its final state everywhere. */
async function serially(stages: readonly Stage[], count: number): Promise<void> {
	for (let n = 0; n < count; n++)
		for (const stage of stages) {
			await tell(stage);
			await settled(stage);
		}
}

async function atOnce(stage: Stage, count: number): Promise<number> {
	const startedMs = Date.now();
	await Promise.all(Array.from({ length: count }, () => tell(stage)));
	await settled(stage);
	return lastMs(stage) - startedMs;
}

async function withCatalogDown(stage: Stage, downMs: number): Promise<{ mails: number; catchUpMs: number }> {
	const { fleet, data } = stage;
	const before = mails(data);
	await fleet.stop("catalog");
	for (let n = 0; n < whileDown; n++) await tell(stage);
	await systemClock.sleep(downMs);
	const sent = mails(data) - before;
	await fleet.start("catalog");
	const backMs = Date.now();
	await settled(stage);
	return { mails: sent, catchUpMs: Math.max(0, lastMs(stage) - backMs) };
}

/** What all services told the broker, and were told by it, for a report, from their starts to their stops. */
async function countMessages(
	stage: Stage,
	services: readonly string[],
	inventoryWords: readonly string[],
	reports: number,
): Promise<{ published: number; delivered: number }> {
	const { fleet, data } = stage;
	await fleet.end();
	for (const service of services) await fleet.start(service);
	await fleet.start("inventory", ...inventoryWords);
	const first = stage.told;
	await serially([stage], reports);
	// The re-order service is not waited for with the others.
	if (services.includes("reorder"))
		await until(() => read(data, "reorder", "SELECT count(*) AS items FROM items")[0]?.items === stage.told - first);
	await fleet.end();
	const all = await Promise.all(
		[...services, "inventory"].map(
			async (service) => JSON.parse(await readFile(join(data, `${service}.figures.json`), "utf8")) as AmqpCounters,
		),
	);
	const sum = (name: "published" | "delivered") => all.reduce((total, counters) => total + counters[name], 0);
	return { published: sum("published") / reports, delivered: sum("delivered") / reports };
}

function mails(data: string): number {
	return Number(read(data, "user", "SELECT count(*) AS mails FROM mails WHERE sent_ms IS NOT NULL")[0]?.mails ?? 0);
}

function items(data: string): number {
	return Number(read(data, "catalog", "SELECT count(*) AS items FROM items")[0]?.items ?? 0);
}

/** Until the catalog has marked every SKU that was told, and every mail is sent. */
function settled({ data, told }: Stage): Promise<void> {
	return until(() => items(data) === told && mails(data) === told);
}

async function until(reached: () => boolean): Promise<void> {
	const end = performance.now() + settleMs;
	while (!reached()) {
		if (performance.now() > end) throw new Error(`not in the final state within ${settleMs} ms`);
		await systemClock.sleep(lookMs);
	}
}

/** When each SKU was in its final state at the last of the services, ms since the Unix epoch. */
function doneMs({ data }: Stage): Map<string, number> {
	const rows = [
		...read(data, "catalog", "SELECT sku, at_ms AS ms FROM items"),
		...read(data, "user", "SELECT sku, sent_ms AS ms FROM mails"),
	];
	const done = new Map<string, number>();
	for (const { sku, ms } of rows) done.set(String(sku), Math.max(done.get(String(sku)) ?? 0, Number(ms)));
	return done;
}

function lastMs(stage: Stage): number {
	return Math.max(...doneMs(stage).values());
}

function latenciesMs(stage: Stage, first: number): number[] {
	const done = doneMs(stage);
	return [...done.keys()]
		.filter((name) => Number(name.slice(sku(0).length - 1)) >= first)
		.map((name) => done.get(name)! - stage.sentMs.get(name)!);
}

function quantile(values: readonly number[], q: number): number {
	const sorted = values.toSorted((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!;
}
