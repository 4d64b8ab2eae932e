// A warehouse: it reports what came in, by a request to the inventory or by a file in its folder.
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { connectHttp2 } from "../../src/rpc/http2-client.ts";
import { InventoryService } from "../gen/warehouse/v1/inventory_service_pb.ts";
import type { Options } from "./options.ts";
import type { Report } from "./report.ts";

export interface Warehouse {
	/** Resolves to whether the inventory knew it already. */
	request(report: Report): Promise<boolean>;
	/** Resolves when the file is in the folder. */
	drop(report: Report): Promise<void>;
	close(): void;
}

const requestTimeoutMs = 5_000;

export function createWarehouse({ port, data }: Pick<Options, "port" | "data">): Warehouse {
	const rpc = connectHttp2(`127.0.0.1:${port}`);
	const inventory = createClient(InventoryService, rpc.transport);
	return {
		async request(report) {
			const { duplicate } = await inventory.reportSku({ ...report }, { timeoutMs: requestTimeoutMs });
			return duplicate;
		},
		async drop(report) {
			const path = join(data, "reports", `${report.reportId}.json`);
			// Put in place whole: what is still being written is not to be read.
			await writeFile(`${path}.part`, JSON.stringify(report));
			await rename(`${path}.part`, path);
		},
		close: rpc.close,
	};
}
