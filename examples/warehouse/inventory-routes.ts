// What the inventory answers, in both styles: a warehouse that reports, and services that ask how a SKU stands.
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { InventoryService } from "../gen/warehouse/v1/inventory_service_pb.ts";
import type { Inventory } from "./inventory.ts";
import { checkReport, InvalidReport, type TakeReport } from "./report.ts";

export function inventoryRoutes(inventory: Inventory, take: TakeReport): (router: ConnectRouter) => void {
	return (router) => {
		router.service(InventoryService, {
			reportSku(request) {
				try {
					return { duplicate: !take(checkReport(request)) };
				} catch (error) {
					if (error instanceof InvalidReport) throw new ConnectError(error.message, Code.InvalidArgument);
					throw error;
				}
			},
			getSku({ sku }) {
				const stock = inventory.stock(sku);
				if (stock === undefined) throw new ConnectError(`nobody has reported ${sku}`, Code.NotFound);
				return stock;
			},
		});
	};
}
