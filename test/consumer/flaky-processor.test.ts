// Processors that turn half of what they get away, for long: first attempts flow, and afterwards all is charged soon.
//
// A consumer and a cache as they are, with processors that a test makes up, in simulated time.
import { createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { createCache } from "../../src/cache/cache.ts";
import { createStore } from "../../src/cache/store/group-commit.ts";
import { createMemoryRows } from "../../src/cache/store/memory-rows.ts";
import { createConsumer } from "../../src/consumer/consumer.ts";
import { unpaced } from "../../src/consumer/pace.ts";
import type { ChargeAnswer, Gateway } from "../../src/consumer/ports.ts";
import { connectQueue } from "../../src/consumer/queue.ts";
import { consumerDefaults } from "../../src/consumer/settings.ts";
import { ProcessorService } from "../../src/gen/payrelay/v1/processor_service_pb.ts";
import { QueueService } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import type { Processor } from "../../src/payment/payment.ts";
import { storeSettings } from "../cache/dispatch-lab.ts";
import { createFakeClock } from "../fake-clock.ts";
import { createPrng } from "../protocol/prng.ts";
import { connectMemory } from "../rpc/memory.ts";
import { paymentId } from "./harness.ts";

const ratePerS = 300;
const troubleS = 30;
/** What the relay promises after the last fault. */
const drainMaxS = 30;
const chargeMs = 5;

type Answer = (processor: Processor) => ChargeAnswer;

const charged: ChargeAnswer = { kind: "charged" };
const tooMany: ChargeAnswer = { kind: "not_charged", why: "too_many" };

function createRelay(seed: number) {
	const clock = createFakeClock();
	const prng = createPrng(seed);
	const random = () => prng.next();
	const settings = { ...storeSettings, queueMax: 1_000_000 };
	const failures: unknown[] = [];
	const fail = (cause: unknown) => failures.push(cause);
	const store = createStore(createMemoryRows(), settings, { clock, random });
	const cache = createCache({ store, clock, settings, onFailed: fail });
	const transport = connectMemory(cache.routes);
	const queue = connectQueue(transport, clock, random, fail);
	const world = { answer: (() => charged) as Answer, chargedTwice: 0 };
	const seen = new Set<string>();
	const gateway: Gateway = {
		async charge(processor, { id }) {
			await clock.sleep(chargeMs);
			const answer = world.answer(processor);
			if (answer.kind !== "charged") return answer;
			if (seen.has(id)) world.chargedTwice++;
			seen.add(id);
			return answer;
		},
		readBack: async () => ({ kind: "absent" }),
		health: async () => ({ reachable: true, failing: false, minResponseMs: 0 }),
	};
	const fees = { default: 0.05, fallback: 0.15 };
	const consumer = createConsumer({
		stream: createClient(QueueService, transport),
		health: createClient(ProcessorService, transport),
		reports: createClient(ProcessorService, transport),
		queue: queue.queue,
		gateway,
		session: "a",
		clock,
		pace: unpaced,
		random,
		// An operator of little patience: what is looked at is how much flows while the trouble lasts.
		settings: { ...consumerDefaults, route: { ...consumerDefaults.route, fees, patienceMs: 5_000 } },
		log: { info: () => {}, warn: () => {}, error: fail },
	});
	let posted = 0;
	return {
		world,
		random,
		figures: () => store.figures(),
		consumer: consumer.figures,
		/** Posts at the rate for so long. */
		async post(seconds: number): Promise<void> {
			const everyMs = 50;
			for (let ms = 0; ms < seconds * 1000; ms += everyMs) {
				const payments = Array.from({ length: (ratePerS * everyMs) / 1000 }, () => ({
					id: paymentId(++posted),
					amountCents: 1990n,
				}));
				void store.enqueue(payments);
				await clock.advance(everyMs);
			}
		},
		/** Seconds until everything is settled, looked for up to twice as long as promised. */
		async drainedS(): Promise<number> {
			for (let seconds = 0; ; seconds++) {
				const { settled, accepted } = await store.figures();
				if (settled === accepted || seconds === 2 * drainMaxS) return seconds;
				await clock.advance(1_000);
			}
		},
		async close(): Promise<void> {
			const closed = consumer.close(1_000).then(() => Promise.all([queue.close(100), cache.close()]));
			await clock.advance(5_000);
			await closed;
			expect(failures).toEqual([]);
			expect(world.chargedTwice).toBe(0);
			expect(clock.pending()).toBe(0);
		},
	};
}

/** Nothing here waits; a slow machine takes long over a minute of a whole relay, ms. */
const computingMs = 120_000;

/** What the budget allows while no processor does well. */
function retriesAllowed(firsts: number, seconds: number): number {
	const { ratio, burstMax, tricklePerS } = consumerDefaults.budget;
	return firsts * ratio + burstMax + tricklePerS * seconds;
}

for (const { who, flaky, flowing } of [
	{ who: "both processors", flaky: ["default", "fallback"], flowing: 0.6 },
	{ who: "the cheaper processor", flaky: ["default"], flowing: 0.8 },
])
	test.each([1, 2, 3])(
		`${who} turn${flaky.length > 1 ? "" : "s"} half of 300 payments/s away for 30 s: first attempts flow, and then all is settled within 30 s (seed %i)`,
		async (seed) => {
			const relay = createRelay(seed);
			await relay.post(2);
			relay.world.answer = (processor) => (flaky.includes(processor) && relay.random() < 0.5 ? tooMany : charged);
			await relay.post(troubleS);
			const { accepted, retries } = await relay.figures();
			expect(relay.consumer().firsts).toBeGreaterThan(accepted * flowing);
			if (flaky.length > 1) expect(retries).toBeLessThanOrEqual(retriesAllowed(relay.consumer().firsts, 2 + troubleS));
			relay.world.answer = () => charged;
			expect(await relay.drainedS()).toBeLessThanOrEqual(drainMaxS);
			await relay.close();
		},
		computingMs,
	);
