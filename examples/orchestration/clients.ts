// Everyone whom the inventory commands.
import { type Client, createClient } from "@connectrpc/connect";
import type { RpcClient } from "../../src/rpc/carrier.ts";
import { CatalogService, ReorderService, StockService, UserService } from "../gen/warehouse/v1/command_services_pb.ts";

export interface Clients {
	readonly stock: Client<typeof StockService>;
	readonly catalog: Client<typeof CatalogService>;
	readonly user: Client<typeof UserService>;
	readonly reorder: Client<typeof ReorderService>;
}

export function createClients({ transport }: RpcClient): Clients {
	return {
		stock: createClient(StockService, transport),
		catalog: createClient(CatalogService, transport),
		user: createClient(UserService, transport),
		reorder: createClient(ReorderService, transport),
	};
}
