// Choreography: whoever listens is told, whenever it joins; what nobody can handle is put aside.
import { expect, test, vi } from "vitest";
import { encodeEvent } from "../../examples/choreography/event.ts";
import { deadLetterQueue, eventExchange } from "../../examples/choreography/topology.ts";
import { read, readFinalState } from "../../examples/warehouse/final-state.ts";
import { brokerInstalled } from "../amqp/broker.ts";
import { report, type Stage, setStage, until } from "./stage.ts";

/** Several processes are started for each. */
vi.setConfig({ testTimeout: 90_000 });

const amqpTest = test.skipIf(!brokerInstalled);

const inCatalog = ({ data }: Stage, sku: string) =>
	until(
		() => readFinalState(data).catalog,
		(items) => sku in items,
	);

const reordered = ({ data }: Stage) => read(data, "reorder", "SELECT sku, ordered FROM items ORDER BY sku");

amqpTest(
	"a service that joins later hears of what happens from then on, and its producer goes on as it was",
	async () => {
		const stage = await setStage("choreography");
		const { fleet, warehouse } = stage;
		await fleet.start("catalog");
		await fleet.start("inventory");
		await warehouse.request(report("r1", "CHAIR-1", 5));
		await inCatalog(stage, "CHAIR-1");
		await fleet.start("reorder");
		await warehouse.request(report("r2", "TABLE-2", 2));
		expect(
			await until(
				() => reordered(stage),
				({ length }) => length > 0,
			),
		).toEqual([{ sku: "TABLE-2", ordered: 1 }]);
		await warehouse.request(report("r3", "CHAIR-1", 1));
		expect(
			await until(
				() => reordered(stage),
				({ length }) => length > 1,
			),
		).toEqual([
			{ sku: "CHAIR-1", ordered: 0 },
			{ sku: "TABLE-2", ordered: 1 },
		]);
	},
);

amqpTest(
	"a producer that knows all queues tells only those: who joins is told when the producer's list says so",
	async () => {
		const stage = await setStage("choreography");
		const { fleet, warehouse } = stage;
		await fleet.start("catalog");
		await fleet.start("user");
		await fleet.start("reorder");
		await fleet.start("inventory", "--queues=catalog,user");
		await warehouse.request(report("r1", "CHAIR-1", 5));
		await inCatalog(stage, "CHAIR-1");
		await until(
			() => readFinalState(stage.data).mails,
			({ length }) => length === 2,
		);
		await fleet.stop("inventory");
		expect(reordered(stage)).toEqual([]);
		await fleet.start("inventory", "--queues=catalog,user,reorder");
		await warehouse.request(report("r2", "TABLE-2", 2));
		expect(
			await until(
				() => reordered(stage),
				({ length }) => length > 0,
			),
		).toEqual([{ sku: "TABLE-2", ordered: 1 }]);
	},
);

amqpTest("an event waits for a service that is away, and then for the inventory that it is to ask", async () => {
	const stage = await setStage("choreography");
	const { fleet, warehouse } = stage;
	await fleet.start("catalog");
	await fleet.start("inventory");
	await fleet.stop("catalog");
	await warehouse.request(report("r1", "CHAIR-1", 5));
	await until(
		() => read(stage.data, "inventory", "SELECT id FROM outbox"),
		({ length }) => length === 0,
	);
	await fleet.stop("inventory");
	await fleet.start("catalog");
	expect(readFinalState(stage.data).catalog).toEqual({});
	await fleet.start("inventory");
	expect(await inCatalog(stage, "CHAIR-1")).toEqual({ "CHAIR-1": true });
});

amqpTest(
	"an event that cannot be read, or of a SKU that nobody reported, is put aside; the next one is handled",
	async () => {
		const stage = await setStage("choreography");
		const { fleet, warehouse, namespace } = stage;
		const channel = await stage.channel();
		await fleet.start("catalog");
		await fleet.start("inventory");
		const publish = (messageId: string, body: Uint8Array) =>
			channel.publish(eventExchange(namespace), "", Buffer.from(body), { messageId });
		publish("e1", Buffer.from("no event"));
		publish("e2", encodeEvent({ id: "e2", sku: "UNKNOWN" }));
		await warehouse.request(report("r1", "CHAIR-1", 5));
		await inCatalog(stage, "CHAIR-1");
		const reasons: unknown[] = [];
		await until(
			async () => {
				const message = await channel.get(deadLetterQueue(namespace, "catalog"), { noAck: true });
				if (message) reasons.push(message.properties.headers?.["x-first-death-reason"]);
				return reasons.length;
			},
			(count) => count === 2,
		);
		expect(reasons).toEqual(["rejected", "delivery_limit"]);
	},
);

amqpTest("a report that is none is refused: to a request with the reason, a file is put aside", async () => {
	const stage = await setStage("choreography");
	const { fleet, warehouse, data } = stage;
	await fleet.start("catalog");
	await fleet.start("inventory");
	await expect(warehouse.request(report("r1", "CHAIR-1", 2, 3))).rejects.toThrow("damaged is to be");
	await warehouse.drop(report("r2", "", 2));
	await warehouse.drop(report("r3", "CHAIR-1", 2));
	await inCatalog(stage, "CHAIR-1");
	await until(stage.log, (log) => log.includes("r2.json is refused"));
	expect(readFinalState(data).stock).toEqual({ "CHAIR-1": 2 });
});
