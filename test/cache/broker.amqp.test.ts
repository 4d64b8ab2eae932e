// The cache's side of the broker, beside another cache of the same namespace.
import { expect, onTestFinished, test } from "vitest";
import { openBroker } from "../../src/cache/broker.ts";
import { createStore } from "../../src/cache/store/group-commit.ts";
import { createMemoryRows } from "../../src/cache/store/memory-rows.ts";
import { systemClock } from "../../src/clock.ts";
import { createLog } from "../../src/log.ts";
import { Refusal } from "../../src/refusal.ts";
import { ownerQueue } from "../../src/rpc/amqp/names.ts";
import { brokerInstalled, sharedBrokerUrl } from "../amqp/broker.ts";
import { noBroker } from "../amqp/settings.ts";
import { createAmqpLab, eventually } from "../rpc/amqp/lab.ts";
import { createCarrierLab } from "../rpc/carrier-service.ts";
import { startProxy } from "../system/proxy.ts";
import { storeSettings } from "./dispatch-lab.ts";

test.skipIf(!brokerInstalled)(
	"a cache takes no more requests once another one has taken its namespace over while it had no line, and ends",
	async () => {
		const lab = createAmqpLab();
		onTestFinished(() => lab.close());
		const { namespace, queue } = lab;
		const url = new URL(sharedBrokerUrl());
		const proxy = await startProxy({ port: Number(url.port), host: url.hostname });
		onTestFinished(() => proxy.close());
		url.port = String(proxy.port);
		const failed = Promise.withResolvers<unknown>();
		const settings = { ...noBroker, carrier: "amqp", amqpUrl: url.href, amqpNamespace: namespace } as const;
		const broker = await openBroker(
			{ ...settings, amqpHeartbeatS: 1, closeMs: 1_000 },
			await createLog("test", "fatal", "json"),
			{
				routes: createCarrierLab().routes,
				clock: systemClock,
				store: createStore(createMemoryRows(), storeSettings, { clock: systemClock }),
				fail: failed.resolve,
			},
		);
		onTestFinished(async () => {
			await broker.drain();
			await broker.close(0);
		});
		const other = await lab.raw();
		expect((await other.checkQueue(queue)).consumerCount).toBe(1);
		proxy.set("dead");
		proxy.cut();
		await eventually(async () => {
			const channel = await lab.raw();
			return channel.assertQueue(ownerQueue(namespace), { exclusive: true, durable: false }).then(
				() => true,
				() => false,
			);
		});
		proxy.set("pass");
		expect(await failed.promise).toEqual(
			new Refusal(`another cache serves ${namespace} at this broker: see AMQP_NAMESPACE and AMQP_URL`),
		);
		expect((await other.checkQueue(queue)).consumerCount).toBe(0);
	},
);
