// The inventory of the orchestration: it records, and then has every other service do what it must, and knows how far they are.
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { StockService } from "../gen/warehouse/v1/command_services_pb.ts";
import { watchFolder } from "../warehouse/folder.ts";
import { createInventory, inventorySchema } from "../warehouse/inventory.ts";
import { inventoryRoutes } from "../warehouse/inventory-routes.ts";
import type { TakeReport } from "../warehouse/report.ts";
import { connectRpc, serveHttp, serveRpc } from "../warehouse/rpc.ts";
import type { Place } from "../warehouse/service.ts";
import { createClients } from "./clients.ts";
import { type CoordinatorBounds, createCoordinator } from "./coordinator.ts";
import { type PlannedCommand, planWithReorder } from "./plan.ts";
import { reportRoutes } from "./report-routes.ts";
import { createSagaStore, sagaSchema } from "./saga-store.ts";

/** Reports whose commands are under way; beyond, further ones are refused. */
const unfinishedMax = 10_000;

export async function startInventory(
	place: Place,
	plan: readonly PlannedCommand[],
	bounds: CoordinatorBounds,
): Promise<string> {
	const { options, clock, onFault, atEnd } = place;
	const database = place.open(inventorySchema + sagaSchema);
	const inventory = createInventory(database, clock.now);
	const store = createSagaStore(database);

	await serveRpc(place, ({ service }) => {
		service(StockService, {
			recalculateSku: ({ key, sku }) => database.once(key, () => inventory.recalculate(sku)),
		});
	});
	const clients = createClients(connectRpc(place));
	// A saga may have begun under another plan.
	const ports = { clients, clock, onFault };
	const coordinator = createCoordinator({ database, inventory, store, commands: planWithReorder, bounds, ...ports });
	atEnd(coordinator.close);

	const commands = plan.map(({ name }) => name);
	const take: TakeReport = (report) => {
		if (store.unfinished() >= unfinishedMax)
			throw new ConnectError(`${unfinishedMax} reports are under way`, Code.ResourceExhausted);
		const taken = database.transaction(() => {
			if (!inventory.record(report)) return false;
			store.begin(report.reportId, report.sku, commands);
			return true;
		});
		coordinator.wake();
		return taken;
	};

	const folder = await watchFolder({ folder: join(options.data, "reports"), take, clock, onFault });
	atEnd(folder.close);
	return serveHttp(place, (router) => {
		inventoryRoutes(inventory, take)(router);
		reportRoutes(store)(router);
	});
}
