// A stage for the examples: their services as processes on the shared broker, with names, folders and ports of their own.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConfirmChannel, connect } from "amqplib";
import { onTestFinished } from "vitest";
import { createFleet, type Fleet } from "../../examples/warehouse/fleet.ts";
import type { Style } from "../../examples/warehouse/options.ts";
import { removeQueues } from "../../examples/warehouse/remove-queues.ts";
import type { Report } from "../../examples/warehouse/report.ts";
import type { Seed } from "../../examples/warehouse/seed.ts";
import { createWarehouse, type Warehouse } from "../../examples/warehouse/warehouse.ts";
import { freePorts } from "../../src/bench/free-ports.ts";
import { sharedBrokerUrl } from "../amqp/broker.ts";

export interface Stage {
	readonly data: string;
	readonly namespace: string;
	readonly fleet: Fleet;
	readonly warehouse: Warehouse;
	/** Opens a channel of the test's own. */
	readonly channel: () => Promise<ConfirmChannel>;
	/** What the services have written into their logs. */
	readonly log: () => string;
}

export const seed: Seed = {
	discontinued: ["LAMP-1970"],
	wishlists: [
		{ user: "ada", email: "ada@example.org", sku: "CHAIR-1" },
		{ user: "ben", email: "ben@example.org", sku: "CHAIR-1" },
		{ user: "ben", email: "ben@example.org", sku: "TABLE-2" },
		{ user: "cho", email: "cho@example.org", sku: "DESK-3" },
		{ user: "dan", email: "dan@example.org", sku: "LAMP-1970" },
	],
};

/** Nothing runs yet. All goes when the test is over. */
export async function setStage(style: Style, { smtpUrl = "", amqpUrl = sharedBrokerUrl() } = {}): Promise<Stage> {
	const data = await mkdtemp(join(tmpdir(), `${style}-`));
	const namespace = `${style}-${crypto.randomUUID()}`;
	const seedFile = join(data, "seed.json");
	await writeFile(seedFile, JSON.stringify(seed));
	const [port] = (await freePorts(1)) as [number];
	const options = { amqpUrl, namespace, data, port, seed: seedFile, smtpUrl, logLevel: "warn" };
	let log = "";
	const fleet = createFleet(style, options, (text) => {
		log += text;
	});
	const warehouse = createWarehouse(options);
	onTestFinished(async () => {
		warehouse.close();
		await fleet.end();
		await removeQueues(amqpUrl, namespace);
		await rm(data, { recursive: true });
	});
	async function channel(): Promise<ConfirmChannel> {
		const connection = await connect(amqpUrl);
		onTestFinished(() => connection.close());
		return connection.createConfirmChannel();
	}
	return { data, namespace, fleet, warehouse, channel, log: () => log };
}

export function report(reportId: string, sku: string, received: number, damaged = 0): Report {
	return { reportId, sku, received, damaged };
}

/** Resolves when what is read is as expected; where it never is, the test shows what it was. */
export async function until<T>(
	readNow: () => T | Promise<T>,
	expected: (value: T) => boolean,
	withinMs = 30_000,
): Promise<T> {
	const end = performance.now() + withinMs;
	for (;;) {
		const value = await readNow();
		if (expected(value)) return value;
		if (performance.now() > end) throw new Error(`still ${JSON.stringify(value)} after ${withinMs} ms`);
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
}
