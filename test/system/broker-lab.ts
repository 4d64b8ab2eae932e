// One test's world over a broker: a relay whose calls and events both go there, and somebody who listens to the events.
import { onTestFinished } from "vitest";
import { type AmqpConnection, connectAmqp } from "../../src/amqp/connection.ts";
import { systemClock } from "../../src/clock.ts";
import type { Broker } from "../amqp/broker.ts";
import { amqpSettings } from "../amqp/settings.ts";
import type { Audit } from "./audit.ts";
import { type EventRecorder, recordEvents } from "./event-recorder.ts";
import { drainMaxMs, type Lab, startLab } from "./lab.ts";
import type { Posted } from "./load.ts";
import { until } from "./until.ts";

/** The least time between two polls of a processor's health, by the whole deployment, ms. */
const healthGapMs = 5_000;
/** api twice, consumer, cache. */
const mailboxesOfRelay = 4;
/** What waits at the broker for nobody any more is gone after the longest deadline of a request, ms. */
const queuesEmptyMs = 70_000;

export interface BrokerLab extends Lab {
	readonly namespace: string;
	readonly connection: AmqpConnection;
	readonly recorder: EventRecorder;
	/** The end of a run, in this order: all is settled, the books and the charges agree, every event has come. */
	settle(posted: readonly Posted[]): Promise<Audit>;
}

/** The settings of a relay over that broker, in a namespace of its own. */
export function overBroker(url: string) {
	const namespace = `test-${crypto.randomUUID()}`;
	const settings = { CARRIER: "amqp", EVENTS: "amqp", AMQP_URL: url, AMQP_NAMESPACE: namespace };
	return { namespace, settings };
}

/** A connection of the test's own, which ends with it. */
export function connectTo(url: string): AmqpConnection {
	const ports = { clock: systemClock, random: Math.random, onFault() {} };
	const connection = connectAmqp(amqpSettings(url), "test", ports);
	onTestFinished(() => connection.close());
	return connection;
}

export async function startBrokerLab(url: string, more: Readonly<Record<string, string>> = {}): Promise<BrokerLab> {
	const { namespace, settings } = overBroker(url);
	const lab = await startLab({ settings: { ...settings, ...more } });
	const connection = connectTo(url);
	const recorder = await recordEvents(connection, namespace, `${namespace}.recorder`);
	return {
		...lab,
		namespace,
		connection,
		recorder,
		async settle(posted) {
			await lab.drained();
			const audit = await lab.audit(posted);
			const charges = await Promise.all(lab.processors.map((one) => one.charges()));
			const charged = charges.flat().map(({ id }) => id);
			await until("every event", drainMaxMs, () => {
				const [finding] = recorder.findings(charged);
				if (finding !== undefined) throw new Error(finding);
				return true;
			});
			return { ...audit, findings: [...audit.findings, ...(await healthFindings(lab))] };
		},
	};
}

/** I5: however often services were started again, a processor's health is not asked too often. */
async function healthFindings({ processors }: Lab): Promise<string[]> {
	const figures = await Promise.all(processors.map((one) => one.figures()));
	return figures.flatMap(({ health }, n) => {
		const { minAskedIntervalMs: gapMs, refused } = health;
		if (refused === 0 && (gapMs === null || gapMs >= healthGapMs)) return [];
		return [`the health of ${processors[n]!.name} was asked ${gapMs} ms apart, and refused ${refused} times`];
	});
}

/** I4: nothing is left at the broker that grows with each fault. Resolves to why each dead letter is one. */
export async function untilTidy(broker: Broker, { namespace, connection }: BrokerLab): Promise<string[]> {
	const letters = `${namespace}.rpc.dead-letters`;
	let dead = 0;
	await until("empty queues and no mailbox without an owner", queuesEmptyMs, async () => {
		const rows = (await broker.ctl("list_queues", "name", "messages")).split("\n").map((row) => row.split("\t"));
		const queues = new Map(
			rows.flatMap(([name, count]) => (name?.startsWith(namespace) ? [[name, Number(count)]] : [])),
		);
		dead = queues.get(letters) ?? 0;
		const filled = [...queues].filter(([name, count]) => count > 0 && name !== letters);
		const mailboxes = [...queues.keys()].filter((name) => name.includes(".mailbox."));
		if (filled.length === 0 && mailboxes.length === mailboxesOfRelay) return true;
		throw new Error(`${mailboxes.length} mailboxes; ${JSON.stringify(filled)}`);
	});
	const channel = connection.channel({ prefetch: 1 });
	await channel.ready();
	const reasons: string[] = [];
	for (let n = 0; n < dead; n++) {
		const letter = await channel.session!.channel.get(letters, { noAck: true });
		if (letter) reasons.push(String(letter.properties.headers?.["x-first-death-reason"]));
	}
	await channel.close();
	return reasons;
}
