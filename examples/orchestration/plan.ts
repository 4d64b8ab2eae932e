// What must happen when a SKU comes in: the commands, in their order. A service that joins is one more entry here.
import type { CallOptions } from "@connectrpc/connect";
import type { Stock } from "../warehouse/inventory.ts";
import type { Clients } from "./clients.ts";

/** What a command is told. */
export interface Facts {
	/** The same however often the command is sent. */
	readonly key: string;
	readonly sku: string;
	/** As the recalculation gave it. */
	readonly stock: Stock;
}

export interface PlannedCommand {
	readonly name: string;
	/** Sends it; what it resolves to is how the SKU stands from then on. */
	readonly send: (clients: Clients, facts: Facts, options: CallOptions) => Promise<Stock | undefined>;
	/** Sent again, with what is true by then, it takes back what it did. A mail cannot be taken back. */
	readonly takesBack: boolean;
}

export const plan: readonly PlannedCommand[] = [
	{
		name: "recalculate for sku",
		send: ({ stock }, { key, sku }, options) => stock.recalculateSku({ key, sku }, options),
		takesBack: true,
	},
	{
		name: "update sku availability",
		async send({ catalog }, { key, sku, stock: { available, revision } }, options) {
			await catalog.updateSkuAvailability({ key, sku, available, revision }, options);
			return undefined;
		},
		takesBack: true,
	},
	{
		name: "update wishlists for sku",
		async send({ user }, { key, sku, stock: { available } }, options) {
			await user.updateWishlists({ key, sku, available }, options);
			return undefined;
		},
		takesBack: false,
	},
];

/** The plan once the re-order service has joined: every command that there is. */
export const planWithReorder: readonly PlannedCommand[] = [
	...plan,
	{
		name: "review stock",
		async send({ reorder }, { key, sku, stock: { available, revision } }, options) {
			await reorder.reviewStock({ key, sku, available, revision }, options);
			return undefined;
		},
		takesBack: true,
	},
];
