// The broker goes and comes back under the examples: reports are taken all the same, and what follows from them follows then.
import { afterAll, beforeAll, expect, test } from "vitest";
import { readFinalState } from "../../examples/warehouse/final-state.ts";
import { type Broker, brokerInstalled, startBroker } from "../amqp/broker.ts";
import { report, setStage, until } from "./stage.ts";

let broker: Broker;
beforeAll(async () => {
	if (brokerInstalled) broker = await startBroker();
});
afterAll(() => broker?.remove());

test.skipIf(!brokerInstalled)(
	"a report that comes while the broker is away is through when it is back, in both styles",
	{ timeout: 120_000 },
	async () => {
		const stages = [
			await setStage("choreography", { amqpUrl: broker.url }),
			await setStage("orchestration", { amqpUrl: broker.url }),
		];
		for (const { fleet } of stages) for (const service of ["catalog", "user", "inventory"]) await fleet.start(service);
		await broker.stop();
		for (const { warehouse } of stages) await warehouse.request(report("r1", "CHAIR-1", 5));
		await broker.start();
		for (const { data } of stages)
			await until(
				() => readFinalState(data),
				({ catalog, mails }) => catalog["CHAIR-1"] === true && mails.length === 2,
				60_000,
			);
		const [choreography, orchestration] = stages.map(({ data }) => readFinalState(data));
		expect(choreography?.stock).toEqual({ "CHAIR-1": 5 });
		expect(orchestration).toEqual(choreography);
	},
);
