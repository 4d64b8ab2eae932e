// The two styles beside each other: the same reports, the same mishaps, the same final state.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { encodeEvent } from "../../examples/choreography/event.ts";
import { eventExchange } from "../../examples/choreography/topology.ts";
import { UserService } from "../../examples/gen/warehouse/v1/command_services_pb.ts";
import { type FinalState, read, readFinalState } from "../../examples/warehouse/final-state.ts";
import type { Style } from "../../examples/warehouse/options.ts";
import { connectAmqp } from "../../src/amqp/connection.ts";
import type { AmqpCounters } from "../../src/amqp/counters.ts";
import { parseAmqpUrl } from "../../src/amqp/settings.ts";
import { systemClock } from "../../src/clock.ts";
import { connectAmqpRpc } from "../../src/rpc/amqp/client.ts";
import { brokerInstalled } from "../amqp/broker.ts";
import { report, type Stage, setStage, until } from "./stage.ts";

const services = ["catalog", "user", "inventory"];

const expected: FinalState = {
	stock: { "CHAIR-1": 9, "DESK-3": 0, "SHELF-4": 5, "TABLE-2": 2 },
	catalog: { "CHAIR-1": true, "DESK-3": false, "SHELF-4": true, "TABLE-2": true },
	mails: ["ada CHAIR-1", "ben CHAIR-1", "ben TABLE-2"],
};

/** What is to be there in the end, and how it came about. */
interface Run {
	readonly state: FinalState;
	readonly messages: Readonly<Record<string, AmqpCounters>>;
}

async function settled({ data }: Stage, state: Partial<FinalState>): Promise<void> {
	await until(
		() => readFinalState(data),
		(now) => {
			const subset = (some: object, all: object) =>
				Object.entries(some).every(([key, value]) => (all as Record<string, unknown>)[key] === value);
			return (
				subset(state.stock ?? {}, now.stock) &&
				subset(state.catalog ?? {}, now.catalog) &&
				(state.mails ?? []).every((mail) => now.mails.includes(mail))
			);
		},
	);
}

async function runThrough(style: Style, tellAgain: (stage: Stage) => Promise<void>): Promise<Run> {
	const stage = await setStage(style);
	const { fleet, warehouse, data } = stage;
	for (const service of services) await fleet.start(service);

	// By a request and by a file.
	expect(await warehouse.request(report("r1", "CHAIR-1", 5))).toBe(false);
	await warehouse.drop(report("r2", "TABLE-2", 3, 1));
	await warehouse.request(report("r3", "DESK-3", 2, 2));
	await settled(stage, { catalog: { "CHAIR-1": true, "TABLE-2": true, "DESK-3": false }, mails: ["ben TABLE-2"] });
	expect(await warehouse.request(report("r1", "CHAIR-1", 5))).toBe(true);
	await tellAgain(stage);

	// One that was stopped catches up.
	await fleet.stop("catalog");
	await warehouse.request(report("r4", "CHAIR-1", 1));
	await fleet.start("catalog");

	// One is killed in the middle of its work.
	const many = Array.from({ length: 8 }, (_, n) => warehouse.request(report(`m${n}`, "SHELF-4", n % 2)));
	await Promise.all([...many, fleet.kill("catalog"), fleet.kill("user")]);
	await Promise.all([fleet.start("catalog"), fleet.start("user")]);

	// The inventory itself is killed, with a report just taken.
	await warehouse.request(report("r5", "CHAIR-1", 3));
	await warehouse.request(report("r6", "SHELF-4", 1));
	await fleet.kill("inventory");
	await fleet.start("inventory");

	// Each report is added up once, whatever was told twice: 3 + 1 + 8 + 2 in all; and the catalog has heard of the last.
	const revisions = "SELECT sku, revision FROM items ORDER BY sku";
	const told = "SELECT sku, revision FROM stock ORDER BY sku";
	await until(
		() => read(data, "inventory", "SELECT sum(revision) AS reports FROM stock"),
		([sum]) => sum?.reports === 14,
	);
	await until(
		() => JSON.stringify(read(data, "catalog", revisions)),
		(known) => known === JSON.stringify(read(data, "inventory", told)),
	);
	await settled(stage, expected);
	await fleet.end();
	const messages: Record<string, AmqpCounters> = {};
	for (const service of services)
		messages[service] = JSON.parse(await readFile(join(data, `${service}.figures.json`), "utf8"));
	return { state: readFinalState(data), messages };
}

/** Publishes r1's event once more, as a producer does that did not hear of its confirm. */
async function publishAgain({ channel: open, namespace }: Stage): Promise<void> {
	const channel = await open();
	const event = { id: "r1", sku: "CHAIR-1" };
	channel.publish(eventExchange(namespace), "", Buffer.from(encodeEvent(event)), { messageId: event.id });
	await channel.waitForConfirms();
}

/** Sends r1's last command once more, as a coordinator does that did not hear of its answer. */
async function commandAgain({ fleet, namespace }: Stage): Promise<void> {
	const settings = { hosts: [parseAmqpUrl(fleet.options.amqpUrl)], tls: {}, heartbeatS: 10, frameMaxBytes: 131_072 };
	const ports = { clock: systemClock, random: Math.random, onFault() {} };
	const connection = connectAmqp(settings, "test", ports);
	const rpc = connectAmqpRpc({ connection, namespace, clock: systemClock });
	await createClient(UserService, rpc.transport).updateWishlists(
		{ key: "r1:2", sku: "CHAIR-1", available: 5 },
		{ timeoutMs: 5_000 },
	);
	await rpc.close();
	await connection.close();
}

test.skipIf(!brokerInstalled)(
	"R21: told by one event or by commands, through stops, kills and repeats, the services come to the same state",
	{ timeout: 120_000 },
	async () => {
		const choreography = await runThrough("choreography", publishAgain);
		const orchestration = await runThrough("orchestration", commandAgain);
		expect(choreography.state).toEqual(expected);
		expect(orchestration.state).toEqual(choreography.state);
		const row = ([service, { published, delivered }]: [string, AmqpCounters]) =>
			`${service} published ${published}, was delivered ${delivered}`;
		for (const [style, { messages }] of Object.entries({ choreography, orchestration }))
			process.stdout.write(`R21 ${style}, since their last start: ${Object.entries(messages).map(row).join("; ")}\n`);
	},
);
