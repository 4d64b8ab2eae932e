// The publisher over a real store in memory, and a broker that does what a test says.
import { expect, test } from "vitest";
import { createStore } from "../../src/cache/store/group-commit.ts";
import { createMemoryRows } from "../../src/cache/store/memory-rows.ts";
import type { Store } from "../../src/cache/store/store.ts";
import { createPublisher, type PublisherBounds } from "../../src/events/publisher.ts";
import { idOf } from "../cache/store/payments.ts";
import { storeSettings } from "../cache/store/store-settings.ts";
import { createFakeClock } from "../fake-clock.ts";

interface Sent {
	/** The event's number and its payment's: `3 of 1`. */
	readonly what: string;
	readonly id: string;
	confirm(): void;
	refuse(): void;
}

function setup(bounds: Partial<PublisherBounds> = {}) {
	const clock = createFakeClock();
	const rows = createMemoryRows();
	const open = () => createStore(rows, { ...storeSettings, events: true }, { clock, random: () => 0.5, paceMs: 0 });
	const sent: Sent[] = [];
	const refused: string[] = [];
	const failures: unknown[] = [];
	const forgotten: number[] = [];
	let store = open();

	function start() {
		return createPublisher({
			outbox: {
				...store,
				forgetOutbox(upTo) {
					forgotten.push(upTo);
					return store.forgetOutbox(upTo);
				},
			},
			publish: ({ id, subject = "" }, _, signal) =>
				new Promise((confirm, reject) => {
					const refuse = () => reject(new Error("refused"));
					signal.addEventListener("abort", refuse);
					sent.push({ what: `${id.split("-")[0]} of ${Number.parseInt(subject.slice(-4), 16)}`, id, confirm, refuse });
				}),
			clock,
			random: () => 1,
			onRefused: (cause, times) => refused.push(`${(cause as Error).message} ${times}`),
			onFailed: (cause) => failures.push(cause),
			bounds: { pause: { baseMs: 100, maxMs: 400 }, forgetWithinMs: 500, ...bounds },
		});
	}

	return {
		clock,
		sent,
		refused,
		failures,
		forgotten,
		start,
		get store(): Store {
			return store;
		},
		reopen() {
			store = open();
		},
		/** What was sent since the last look. */
		take(): string[] {
			return sent.splice(0).map(({ what }) => what);
		},
		async accept(...ns: number[]): Promise<void> {
			await store.enqueue(ns.map((n) => ({ id: idOf(n), amountCents: 1n })));
			await clock.settle();
		},
		async charge(n: number): Promise<void> {
			const [job] = await store.lease("a", "fresh", 1);
			const pinning = store.pin([{ ...job!, processor: "default" }]);
			await clock.advance(0);
			const [pinned] = await pinning;
			if (pinned?.outcome !== "pinned") throw new Error("not pinned");
			const { requestedAtUs } = pinned;
			const charge = { processor: "default", amountCents: 1n, requestedAtUs } as const;
			expect(job?.id).toBe(idOf(n));
			const settled = store.settle([{ id: idOf(n), epoch: 1, charge }]);
			await clock.advance(0);
			expect(await settled).toEqual(["settled"]);
		},
		async confirmAll(): Promise<void> {
			for (const { confirm } of sent) confirm();
			await clock.advance(0);
		},
	};
}

test("what becomes true is sent at once, in order; what comes meanwhile goes with the next batch", async () => {
	const lab = setup();
	const publisher = lab.start();
	await lab.accept(1, 2);
	expect(lab.sent.map(({ what }) => what)).toEqual(["1 of 1", "2 of 2"]);
	await lab.accept(3);
	await lab.accept(4);
	await lab.confirmAll();
	lab.sent.splice(0, 2);
	expect(lab.take()).toEqual(["3 of 3", "4 of 4"]);
	expect(await publisher.figures()).toMatchObject({ published: 2, retried: 0 });
});

test("no more than the bound is unconfirmed, however many wait", async () => {
	const lab = setup({ unconfirmedMax: 3 });
	lab.start();
	await lab.accept(1, 2, 3, 4, 5, 6, 7);
	expect(lab.sent).toHaveLength(3);
	await lab.confirmAll();
	lab.sent.splice(0, 3);
	expect(lab.take()).toEqual(["4 of 4", "5 of 5", "6 of 6"]);
});

test("a payment's next event is sent only when the one before is confirmed", async () => {
	const lab = setup();
	await lab.accept(1, 2);
	await lab.charge(1);
	lab.start();
	await lab.clock.settle();
	expect(lab.sent.map(({ what }) => what)).toEqual(["1 of 1", "2 of 2"]);
	lab.sent[0]!.confirm();
	await lab.clock.settle();
	expect(lab.take()).toEqual(["1 of 1", "2 of 2", "3 of 1"]);
});

test("what was not confirmed is sent again under its id after growing pauses; what was is not", async () => {
	const lab = setup();
	const publisher = lab.start();
	await lab.accept(1, 2, 3);
	const [first, second, third] = lab.sent.splice(0);
	first!.confirm();
	second!.refuse();
	third!.confirm();
	await lab.clock.settle();
	expect([lab.take(), lab.refused]).toEqual([[], ["refused 1"]]);
	await lab.clock.advance(99);
	expect(lab.sent).toHaveLength(0);
	await lab.clock.advance(1);
	expect(lab.sent.map(({ id }) => id)).toEqual([second!.id]);
	lab.sent.splice(0)[0]!.refuse();
	await lab.clock.advance(199);
	expect(lab.sent).toHaveLength(0);
	await lab.clock.advance(1);
	await lab.confirmAll();
	expect(await publisher.figures()).toMatchObject({ published: 3, retried: 2 });
	lab.take();
	// The pauses begin anew after a success.
	await lab.accept(4);
	lab.sent.splice(0)[0]!.refuse();
	await lab.clock.advance(100);
	expect(lab.take()).toEqual(["4 of 4"]);
});

test("what is confirmed leaves the outbox in batches: after a while, or when there are enough", async () => {
	const lab = setup({ forgetMax: 3 });
	const publisher = lab.start();
	await lab.accept(1);
	await lab.confirmAll();
	await lab.accept(2);
	await lab.confirmAll();
	await lab.clock.advance(499);
	expect([lab.forgotten, (await publisher.figures()).outboxDepth]).toEqual([[], 2]);
	await lab.clock.advance(1);
	expect([lab.forgotten, (await publisher.figures()).outboxDepth]).toEqual([[2], 0]);
	await lab.accept(3, 4, 5);
	await lab.confirmAll();
	expect([lab.forgotten, (await publisher.figures()).outboxDepth]).toEqual([[2, 5], 0]);
});

test("the figures show an outbox that nobody takes: how much it holds, and how old that is", async () => {
	const lab = setup();
	const publisher = lab.start();
	await lab.accept(1, 2);
	await lab.clock.advance(5_000);
	expect(await publisher.figures()).toEqual({ published: 0, retried: 0, outboxDepth: 2, outboxOldestMs: 5_000 });
});

test("the end sends nothing more, and forgets what is confirmed; the next start goes on behind it", async () => {
	const lab = setup();
	const publisher = lab.start();
	await lab.accept(1, 2);
	lab.sent[0]!.confirm();
	await lab.clock.settle();
	const closed = publisher.close();
	await lab.accept(3);
	await lab.clock.advance(0);
	await closed;
	expect([lab.take(), lab.forgotten, lab.refused]).toEqual([["1 of 1", "2 of 2"], [1], []]);
	await lab.store.close();
	expect(lab.clock.pending()).toBe(0);

	lab.reopen();
	lab.start();
	await lab.clock.settle();
	expect(lab.take()).toEqual(["2 of 2", "3 of 3"]);
	expect(lab.failures).toEqual([]);
});

test("a publisher that was killed sends again what was not forgotten, under the same ids", async () => {
	const lab = setup();
	lab.start();
	await lab.accept(1, 2);
	const ids = lab.sent.map(({ id }) => id);
	await lab.confirmAll();
	lab.take();
	lab.reopen();
	lab.start();
	await lab.clock.settle();
	expect(lab.sent.map(({ id }) => id)).toEqual(ids);
});

test("the end does not wait for a broker that says nothing", async () => {
	const clock = createFakeClock();
	const store = createStore(createMemoryRows(), { ...storeSettings, events: true }, { clock, paceMs: 0 });
	const publisher = createPublisher({
		outbox: store,
		publish: () => new Promise(() => {}),
		clock,
		onRefused: () => {},
		onFailed: () => {},
		bounds: { closeMs: 700 },
	});
	await store.enqueue([{ id: idOf(1), amountCents: 1n }]);
	await clock.settle();
	let closed = false;
	void publisher.close().then(() => {
		closed = true;
	});
	await clock.advance(699);
	expect(closed).toBe(false);
	await clock.advance(1);
	expect([closed, clock.pending()]).toEqual([true, 0]);
});

test("a store that has failed ends the publisher, which says so once", async () => {
	const lab = setup();
	lab.start();
	await lab.accept(1);
	await lab.store.close();
	await lab.confirmAll();
	await lab.clock.advance(10_000);
	expect(lab.failures).toHaveLength(1);
});
