// The orchestration's coordinator, over a database of its own and services that answer as they are told.
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, onTestFinished, test } from "vitest";
import type { Clients } from "../../examples/orchestration/clients.ts";
import { coordinatorBounds, createCoordinator } from "../../examples/orchestration/coordinator.ts";
import { plan } from "../../examples/orchestration/plan.ts";
import { createSagaStore, sagaSchema } from "../../examples/orchestration/saga-store.ts";
import { openDatabase } from "../../examples/warehouse/database.ts";
import { createInventory, inventorySchema } from "../../examples/warehouse/inventory.ts";
import { createFakeClock } from "../fake-clock.ts";

test("a command that was not answered in its bounds is taken back too, where it can be: it may have been done", async () => {
	const clock = createFakeClock();
	const database = openDatabase(":memory:", `${inventorySchema} ${sagaSchema}`);
	const inventory = createInventory(database, clock.now);
	const store = createSagaStore(database);
	inventory.record({ reportId: "r1", sku: "CHAIR-1", received: 5, damaged: 0 });
	store.begin(
		"r1",
		"CHAIR-1",
		plan.map(({ name }) => name),
	);
	const told: (readonly [string, number])[] = [];
	let silent = 2;
	const clients = {
		stock: { recalculateSku: async ({ sku }: { sku: string }) => inventory.recalculate(sku) },
		catalog: {
			async updateSkuAvailability({ key, available }: { key: string; available: number }) {
				told.push([key, available]);
				if (silent-- > 0) throw new ConnectError("no answer", Code.DeadlineExceeded);
			},
		},
	} as unknown as Clients;
	const coordinator = createCoordinator({
		database,
		inventory,
		store,
		commands: plan,
		clients,
		clock,
		onFault() {},
		bounds: { ...coordinatorBounds, attemptsMax: 2 },
	});
	onTestFinished(async () => {
		await coordinator.close();
		database.close();
	});
	await clock.advance(10_000);
	expect(store.find("r1")?.state).toBe("compensated");
	expect(told).toEqual([
		["r1:1", 5],
		["r1:1", 5],
		["r1:4", 0],
	]);
});
