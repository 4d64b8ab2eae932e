import { expect, test } from "vitest";
import { createStore } from "../../../src/cache/store/group-commit.ts";
import { createFakeClock } from "../../fake-clock.ts";
import { sqliteMedium, storeOptions } from "./media.ts";
import { idOf, startUs } from "./payments.ts";
import { storeSettings } from "./store-settings.ts";

test("who waits for jobs is woken after the sync of the commit that brought them, and after its answers", async () => {
	const clock = createFakeClock(startUs / 1000);
	let syncing: (() => void)[] | undefined;
	const medium = sqliteMedium(() => (syncing ? new Promise((done) => syncing?.push(done)) : Promise.resolve()));
	const store = createStore(await medium.open(), storeSettings, { ...storeOptions, clock });
	await store.enqueue([{ id: idOf(1), amountCents: 1n }]);
	const order: string[] = [];
	store.subscribe(() => queueMicrotask(() => order.push("woken")));
	syncing = [];
	const answered = store.enqueue([{ id: idOf(2), amountCents: 2n }]).then(() => order.push("answered"));
	await clock.settle();
	expect(order).toEqual([]);
	for (const done of syncing.splice(0)) done();
	syncing = undefined;
	await answered;
	await clock.settle();
	expect(order).toEqual(["answered", "woken"]);
});
