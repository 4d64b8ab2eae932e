// Who serves a namespace: one connection at a time.
import { expect, onTestFinished, test } from "vitest";
import { type AmqpConnection, connectAmqp } from "../../../src/amqp/connection.ts";
import { systemClock } from "../../../src/clock.ts";
import { Refusal } from "../../../src/refusal.ts";
import { ownNamespace } from "../../../src/rpc/amqp/owner.ts";
import { brokerInstalled, sharedBrokerUrl } from "../../amqp/broker.ts";
import { amqpSettings } from "../../amqp/settings.ts";

function connect(): AmqpConnection {
	const ports = { clock: systemClock, random: Math.random, onFault() {} };
	const connection = connectAmqp(amqpSettings(sharedBrokerUrl()), "test", ports);
	onTestFinished(() => connection.close());
	return connection;
}

test.skipIf(!brokerInstalled)(
	"a namespace is its owner's until that one's connection closes: who comes meanwhile waits, and is refused after a while",
	async () => {
		const namespace = `test-${crypto.randomUUID()}`;
		const [first, second, third] = [connect(), connect(), connect()];
		await ownNamespace(first, namespace, systemClock, 0);
		await ownNamespace(third, `${namespace}-other`, systemClock, 0);
		await expect(ownNamespace(second, namespace, systemClock, 100)).rejects.toThrow(
			new Refusal(`another cache serves ${namespace} at this broker: see AMQP_NAMESPACE and AMQP_URL`),
		);
		await second.close();
		const next = ownNamespace(third, namespace, systemClock, 60_000);
		await first.close();
		await next;
	},
);
