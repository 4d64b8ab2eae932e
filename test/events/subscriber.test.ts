// A subscriber over a queue that does what a test says.
import { describe, expect, test } from "vitest";
import { encodeCloudEvent } from "../../src/events/cloud-event.ts";
import { toCloudEvent } from "../../src/events/payment-event.ts";
import { type EventDelivery, type SubscriberOptions, subscribe } from "../../src/events/subscriber.ts";
import type { EventType, PaymentEvent } from "../../src/payment/event.ts";
import { idOf, startUs } from "../cache/store/payments.ts";
import { createFakeClock } from "../fake-clock.ts";

interface View {
	readonly state: string;
}

async function setup(changed: Partial<SubscriberOptions<View>> = {}) {
	const clock = createFakeClock();
	const answers: string[] = [];
	const handled: string[] = [];
	const faults: string[] = [];
	const queries: string[] = [];
	let receive: (delivery: EventDelivery) => void = () => {};
	let ended = 0;
	const subscription = await subscribe<View>(
		async (take) => {
			receive = take;
			return async () => void ended++;
		},
		{
			types: ["payment.processed"],
			async query(id) {
				queries.push(id);
				return { state: "settled" };
			},
			async handle({ paymentId }, { state }) {
				handled.push(`${paymentId.slice(-1)} ${state}`);
			},
			clock,
			random: () => 1,
			onFault: (cause) => faults.push((cause as Error).message),
			...changed,
			bounds: {
				queriesMax: 3,
				queryPause: { baseMs: 100, maxMs: 1_000 },
				handlesMax: 2,
				handlePause: { baseMs: 100, maxMs: 1_000 },
				seenMax: 2,
				...changed.bounds,
			},
		},
	);

	/** The answers to a delivery, which come as `ack` or `reject` and the name given here. */
	function deliver(name: string, body: Uint8Array, redelivered = false, contentType = "application/cloudevents+json") {
		const ack = () => void answers.push(`ack ${name}`);
		const reject = () => void answers.push(`reject ${name}`);
		receive({ body, contentType, redelivered, ack, reject });
		return clock.settle();
	}
	const event = (seq: number, n: number, type: EventType = "payment.processed"): PaymentEvent => {
		return { seq, type, paymentId: idOf(n), timeUs: startUs };
	};
	const body = (seq: number, n: number, type?: EventType, source = "/payrelay/a") =>
		encodeCloudEvent(toCloudEvent(event(seq, n, type), source));
	return { clock, answers, handled, faults, queries, subscription, deliver, body, ended: () => ended };
}

describe("an event", () => {
	test("is handled with the payment as it is now, and acknowledged then", async () => {
		let finish = () => {};
		const lab = await setup({ handle: () => new Promise((resolve) => (finish = resolve)) });
		await lab.deliver("a", lab.body(1, 7));
		expect([lab.queries, lab.answers]).toEqual([[idOf(7)], []]);
		finish();
		await lab.clock.settle();
		expect([lab.answers, lab.subscription.figures.handled]).toEqual([["ack a"], 1]);
	});

	test("that comes again is acknowledged, and has no effect; of another source it is another event", async () => {
		const lab = await setup();
		await lab.deliver("a", lab.body(1, 7));
		await lab.deliver("b", lab.body(1, 7), true);
		await lab.deliver("c", lab.body(1, 7, "payment.processed", "/payrelay/b"));
		expect([lab.answers, lab.handled]).toEqual([
			["ack a", "ack b", "ack c"],
			["7 settled", "7 settled"],
		]);
		expect(lab.subscription.figures).toMatchObject({ received: 3, redelivered: 1, handled: 2, duplicates: 1 });
	});

	test("that comes again while its first copy is being handled waits for that, and has no effect then", async () => {
		let finish = () => {};
		let calls = 0;
		const lab = await setup({
			handle() {
				calls++;
				return new Promise((resolve) => (finish = resolve));
			},
		});
		await lab.deliver("a", lab.body(1, 7));
		await lab.deliver("b", lab.body(1, 7));
		finish();
		await lab.clock.settle();
		expect([calls, lab.answers]).toEqual([1, ["ack a", "ack b"]]);
	});

	test("further back than the memory goes is handled again; a memory of the subscriber's own is asked instead", async () => {
		const lab = await setup();
		for (const seq of [1, 2, 3, 1]) await lab.deliver(`${seq}`, lab.body(seq, seq));
		expect(lab.handled).toEqual(["1 settled", "2 settled", "3 settled", "1 settled"]);
		const durable = new Set<string>();
		const seen = {
			has: async (key: string) => durable.has(key),
			async add(key: string) {
				durable.add(key);
			},
		};
		for (const restart of [false, true]) {
			const other = await setup({ seen });
			await other.deliver("a", other.body(1, 7));
			expect(other.subscription.figures).toMatchObject({ handled: restart ? 0 : 1, duplicates: restart ? 1 : 0 });
			expect(other.queries).toHaveLength(restart ? 0 : 1);
		}
	});

	test("of a type that nobody asked for is acknowledged and passed over", async () => {
		const lab = await setup();
		await lab.deliver("a", lab.body(1, 7, "payment.accepted"));
		expect([lab.answers, lab.handled, lab.subscription.figures.ignored]).toEqual([["ack a"], [], 1]);
	});

	test("waits for the one before of the same payment, and for no other", async () => {
		const finish = new Map<string, () => void>();
		const lab = await setup({
			types: ["payment.accepted", "payment.processed"],
			handle: ({ paymentId, type }) =>
				new Promise((resolve) => finish.set(`${paymentId.slice(-1)} ${type.slice(8)}`, resolve)),
		});
		await lab.deliver("a", lab.body(1, 1, "payment.accepted"));
		await lab.deliver("b", lab.body(2, 1));
		await lab.deliver("c", lab.body(3, 2));
		expect([...finish.keys()]).toEqual(["1 accepted", "2 processed"]);
		finish.get("1 accepted")!();
		await lab.clock.settle();
		expect([...finish.keys()]).toEqual(["1 accepted", "2 processed", "1 processed"]);
	});
});

describe("what goes wrong", () => {
	test("a message that is no event is put aside at once, and it is said why", async () => {
		const lab = await setup();
		await lab.deliver("a", new TextEncoder().encode("{"));
		await lab.deliver("b", lab.body(1, 7), false, "text/plain");
		expect([lab.answers, lab.subscription.figures.invalid]).toEqual([["reject a", "reject b"], 2]);
		expect(lab.faults).toEqual([
			"the message is not JSON in UTF-8",
			'the content type is "text/plain", not application/cloudevents+json',
		]);
	});

	test("a payment that is not known yet, or an api that is away, is asked again, so often and no oftener", async () => {
		const answers: (View | undefined | Error)[] = [undefined, new Error("away"), { state: "settled" }];
		const lab = await setup({
			async query() {
				const answer = answers.shift();
				if (answer instanceof Error) throw answer;
				return answer;
			},
		});
		await lab.deliver("a", lab.body(1, 7));
		await lab.clock.advance(100);
		expect(lab.handled).toEqual([]);
		await lab.clock.advance(200);
		expect([lab.handled, lab.answers, lab.subscription.figures.retries]).toEqual([["7 settled"], ["ack a"], 2]);
		await lab.deliver("b", lab.body(2, 8));
		await lab.clock.advance(300);
		expect([lab.answers[1], lab.faults]).toEqual(["reject b", [`payment ${idOf(8)} is not known`]]);
		expect(lab.subscription.figures).toMatchObject({ unqueried: 1, unhandled: 0 });
	});

	test("a handler that fails is called again, so often and no oftener; then the message is put aside", async () => {
		let calls = 0;
		const lab = await setup({
			async handle() {
				calls++;
				if (calls !== 2) throw new Error("no mail today");
			},
		});
		await lab.deliver("a", lab.body(1, 7));
		await lab.clock.advance(100);
		expect([calls, lab.answers]).toEqual([2, ["ack a"]]);
		await lab.deliver("b", lab.body(2, 8));
		await lab.clock.advance(100);
		expect([calls, lab.answers[1], lab.faults]).toEqual([4, "reject b", ["no mail today"]]);
		expect(lab.subscription.figures).toMatchObject({ handled: 1, unhandled: 1 });
		// What was put aside and is put back is no duplicate.
		calls = 1;
		await lab.deliver("b again", lab.body(2, 8));
		expect(lab.answers[2]).toBe("ack b again");
	});

	test("an effect that could not be noted is acknowledged, and said", async () => {
		const add = () => Promise.reject(new Error("the note was lost"));
		const lab = await setup({ seen: { has: () => false, add } });
		await lab.deliver("a", lab.body(1, 7));
		expect([lab.handled, lab.answers, lab.faults]).toEqual([["7 settled"], ["ack a"], ["the note was lost"]]);
	});
});

describe("the end", () => {
	test("takes nothing more, finishes what is being handled, and leaves what waits to be delivered again", async () => {
		let finish = () => {};
		const lab = await setup({
			async query(id) {
				return id === idOf(7) ? { state: "settled" } : undefined;
			},
			handle: () => new Promise((resolve) => (finish = resolve)),
		});
		await lab.deliver("a", lab.body(1, 7));
		await lab.deliver("b", lab.body(2, 8));
		let closed = false;
		void lab.subscription.close().then(() => {
			closed = true;
		});
		await lab.clock.settle();
		expect([lab.ended(), closed, lab.answers]).toEqual([1, false, []]);
		finish();
		await lab.clock.settle();
		expect([closed, lab.answers, lab.subscription.figures.left, lab.faults]).toEqual([true, ["ack a"], 1, []]);
		expect(lab.clock.pending()).toBe(0);
	});
});
