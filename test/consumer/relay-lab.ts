// A consumer and a cache as they are, with processors that a test makes up, in simulated time.
import { createClient } from "@connectrpc/connect";
import { expect } from "vitest";
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
import { createPrng } from "../prng.ts";
import { connectMemory } from "../rpc/memory.ts";
import { paymentId } from "./harness.ts";

export const ratePerS = 300;

/** Nothing here waits; a slow machine takes long over a minute of a whole relay, ms. */
export const computingMs = 120_000;

type Answer = (processor: Processor) => ChargeAnswer;

export const charged: ChargeAnswer = { kind: "charged" };

/** `inFlightMax`: charges open at one processor. */
export function createRelay(seed: number, { inFlightMax = storeSettings.inFlightMax, patienceMs = 5_000 } = {}) {
	const clock = createFakeClock();
	const prng = createPrng(seed);
	const random = () => prng.next();
	const settings = { ...storeSettings, queueMax: 1_000_000, inFlightMax };
	const failures: unknown[] = [];
	const fail = (cause: unknown) => failures.push(cause);
	const store = createStore(createMemoryRows(), settings, { clock, random });
	const cache = createCache({ store, clock, settings, onFailed: fail });
	const transport = connectMemory(cache.routes);
	const queue = connectQueue(transport, clock, random, fail);
	const world = {
		answer: (() => charged) as Answer,
		/** How long a charge takes, ms; told by a processor's health, too. */
		chargeMs: { default: 5, fallback: 5 } as Record<Processor, number>,
		charged: { default: 0, fallback: 0 } as Record<Processor, number>,
		chargedTwice: 0,
	};
	const seen = new Set<string>();
	const gateway: Gateway = {
		async charge(processor, { id }) {
			await clock.sleep(world.chargeMs[processor]);
			const answer = world.answer(processor);
			if (answer.kind !== "charged") return answer;
			if (seen.has(id)) world.chargedTwice++;
			seen.add(id);
			world.charged[processor]++;
			return answer;
		},
		readBack: async () => ({ kind: "absent" }),
		health: async (processor) => ({ reachable: true, failing: false, minResponseMs: world.chargeMs[processor] }),
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
		settings: { ...consumerDefaults, route: { ...consumerDefaults.route, fees, patienceMs } },
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
		/** Seconds until everything is settled, looked for up to so many. */
		async drainedS(mostS: number): Promise<number> {
			for (let seconds = 0; ; seconds++) {
				const { settled, accepted } = await store.figures();
				if (settled === accepted || seconds === mostS) return seconds;
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
