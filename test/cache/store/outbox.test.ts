// An event can be read only when what it tells is on disk, and is read only as it was written.
import { describe, expect, test } from "vitest";
import { createStore } from "../../../src/cache/store/group-commit.ts";
import { createMemoryRows } from "../../../src/cache/store/memory-rows.ts";
import { createOutbox } from "../../../src/cache/store/outbox.ts";
import type { Rows } from "../../../src/cache/store/rows.ts";
import { accept } from "../../../src/payment/life.ts";
import { Refusal } from "../../../src/refusal.ts";
import { createFakeClock } from "../../fake-clock.ts";
import { sqliteMedium, storeOptions } from "./media.ts";
import { idOf, startUs } from "./payments.ts";
import { storeSettings } from "./store-settings.ts";

const settings = { ...storeSettings, events: true };

describe("the outbox", () => {
	test("shows no event whose commit is not synced, also of an earlier start", async () => {
		const clock = createFakeClock(startUs / 1000);
		let syncing: (() => void)[] | undefined;
		const medium = sqliteMedium(() => (syncing ? new Promise((done) => syncing?.push(done)) : Promise.resolve()));
		const open = async () => createStore(await medium.open(), settings, { ...storeOptions, clock });
		const syncAll = async () => {
			for (const done of syncing?.splice(0) ?? []) done();
			await clock.settle();
		};

		let store = await open();
		await store.enqueue([{ id: idOf(1), amountCents: 1n }]);
		syncing = [];
		const second = store.enqueue([{ id: idOf(2), amountCents: 2n }]);
		await clock.settle();
		expect((await store.readOutbox(0, 9)).map(({ seq }) => seq)).toEqual([1]);
		await syncAll();
		expect(await second).toEqual(["accepted"]);
		expect((await store.readOutbox(0, 9)).map(({ seq }) => seq)).toEqual([1, 2]);

		medium.crash();
		store = await open();
		let read: number[] | undefined;
		const reading = store.readOutbox(0, 9).then((events) => {
			read = events.map(({ seq }) => seq);
		});
		await clock.settle();
		expect(read).toBeUndefined();
		await syncAll();
		await reading;
		expect(read).toEqual([1, 2]);
		syncing = undefined;
	});

	test.each([1, 2, 3])("that has lost event %i of three fails the store, and does not pass over it", async (lost) => {
		const clock = createFakeClock(startUs / 1000);
		const rows = await sqliteMedium().open();
		const outbox: Rows["outbox"] = (...asked) => rows.outbox(...asked).filter(({ seq }) => seq !== lost);
		const store = createStore({ ...rows, outbox }, settings, { ...storeOptions, clock });
		await store.enqueue([1, 2, 3].map((n) => ({ id: idOf(n), amountCents: 1n })));
		await expect(store.readOutbox(0, 9)).rejects.toMatchObject({
			message: expect.stringContaining("the store has failed"),
			cause: expect.any(Refusal),
		});
	});

	test("tells of an acceptance with the payment's own time, which is earlier than now", () => {
		const rows = createMemoryRows();
		createOutbox(rows, createFakeClock(startUs / 1000)).announce(undefined, accept(idOf(1), 5n, startUs - 3));
		expect(rows.outbox(0, 1, 1)).toMatchObject([{ type: "payment.accepted", timeUs: startUs - 3 }]);
	});
});
