// The inventory of the choreography: it records and recalculates, says so once, and does not know who listens.
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { watchFolder } from "../warehouse/folder.ts";
import { createInventory, inventorySchema } from "../warehouse/inventory.ts";
import { inventoryRoutes } from "../warehouse/inventory-routes.ts";
import type { TakeReport } from "../warehouse/report.ts";
import { serveHttp, serveRpc } from "../warehouse/rpc.ts";
import type { Place } from "../warehouse/service.ts";
import { createOutbox, outboxSchema } from "./outbox.ts";
import { createPublisher, type Destination } from "./publisher.ts";
import { declareExchange, eventExchange, eventQueue } from "./topology.ts";

/** Events that wait to be published; beyond, reports are refused. */
const outboxMax = 10_000;

/** `queues`: the services that the producer is to know by name; none: it tells the exchange, which knows. */
export async function startInventory(place: Place, queues: readonly string[]): Promise<string> {
	const { options, connection, clock, onFault, atEnd } = place;
	const { namespace } = options;
	const database = place.open(inventorySchema + outboxSchema);
	const inventory = createInventory(database, clock.now);
	const outbox = createOutbox(database);
	const channel = connection.channel({
		prefetch: 1,
		setup: (session) => declareExchange(session.channel, namespace),
	});
	atEnd(channel.close);
	const publisher = createPublisher({
		outbox,
		channel,
		destinations: queues.length === 0 ? [toAll(namespace)] : queues.map((service) => toOne(namespace, service)),
		clock,
		onFault,
	});
	atEnd(publisher.close);

	const take: TakeReport = (report) => {
		if (outbox.count() >= outboxMax)
			throw new ConnectError(`${outboxMax} events wait to be published`, Code.ResourceExhausted);
		const taken = database.transaction(() => {
			if (!inventory.record(report)) return false;
			inventory.recalculate(report.sku);
			outbox.add({ id: report.reportId, sku: report.sku });
			return true;
		});
		publisher.wake();
		return taken;
	};

	const routes = inventoryRoutes(inventory, take);
	await serveRpc(place, routes);
	const folder = await watchFolder({ folder: join(options.data, "reports"), take, clock, onFault });
	atEnd(folder.close);
	return serveHttp(place, routes);
}

function toAll(namespace: string): Destination {
	return { exchange: eventExchange(namespace), routingKey: "" };
}

function toOne(namespace: string, service: string): Destination {
	return { exchange: "", routingKey: eventQueue(namespace, service) };
}
