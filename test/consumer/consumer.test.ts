import { expect, test } from "vitest";
import { createConsumer } from "../../src/consumer/consumer.ts";
import type { Cutoff } from "../../src/consumer/cutoff.ts";
import { noEnds } from "../../src/consumer/figures.ts";
import { unpaced } from "../../src/consumer/pace.ts";
import { type ChargeAnswer, NoAnswer } from "../../src/consumer/ports.ts";
import { queueCallMs } from "../../src/consumer/queue.ts";
import { type ConsumerSettings, consumerDefaults } from "../../src/consumer/settings.ts";
import { createFakeClock } from "../fake-clock.ts";
import { createCloud } from "./cloud.ts";
import { makeJob, never, sentAtUs, stubGateway } from "./harness.ts";

function setup(more: Partial<ConsumerSettings> = {}) {
	const clock = createFakeClock();
	const cloud = createCloud();
	const gateway = stubGateway(cloud.log);
	const errors: unknown[] = [];
	const warnings: unknown[] = [];
	const log = {
		info: () => {},
		warn: (...what: unknown[]) => warnings.push(what),
		error: (...what: unknown[]) => errors.push(what),
	};
	const fees = { default: 0.05, fallback: 0.15 };
	const settings = { ...consumerDefaults, route: { ...consumerDefaults.route, fees }, ...more };
	const consumer = createConsumer({
		stream: cloud.stream,
		health: cloud.health,
		reports: cloud.reports,
		queue: cloud.queue,
		gateway: gateway.gateway,
		session: "session-1",
		clock,
		pace: unpaced,
		random: () => 0.5,
		settings,
		log: log as never,
	});
	return { clock, cloud, gateway, consumer, errors, warnings };
}

const hangs = (signal: Cutoff) =>
	new Promise<ChargeAnswer>((resolve) =>
		signal.addEventListener("abort", () => resolve({ kind: "unknown", why: "aborted" })),
	);

test("payments that arrive are charged and settled, and nothing is left in hand", async () => {
	const { clock, cloud, consumer, errors } = setup();
	await clock.settle();
	cloud.offer(makeJob(1), makeJob(2));
	await clock.advance(10);
	expect(cloud.log.filter((line) => line.startsWith("settle"))).toEqual(["settle 1 default", "settle 2 default"]);
	const figures = consumer.figures();
	expect(figures).toMatchObject({ inHand: 0, waiting: 0, firsts: 2, retries: 0 });
	expect(figures.ends.settled).toBe(2);
	const closing = consumer.close(1_000);
	await clock.advance(2_000);
	await closing;
	expect(errors).toEqual([]);
	expect(clock.pending()).toBe(0);
});

test("it asks for bounded work under one session, and polls the health of each processor when it is granted", async () => {
	const { clock, cloud } = setup();
	await clock.advance(100);
	expect(cloud.opened).toEqual([
		{ held: [], credit: 2_048, retryCredit: 512, pursuitCredit: 48, sessionId: "session-1" },
	]);
	expect(cloud.world.health.map(({ processor }) => processor).sort()).toEqual([1, 2]);
});

test("it reports how it is doing, also after the queue was away", async () => {
	const { clock, cloud } = setup();
	await clock.settle();
	cloud.offer(makeJob(1), makeJob(2));
	await clock.advance(2_100);
	expect(cloud.reported.at(-1)).toMatchObject({
		sessionId: "session-1",
		inHand: 0,
		firsts: 2n,
		ends: { settled: 2n, released: 0n },
		sites: [{ processor: 1, breaker: 1 }, { processor: 2 }],
	});
	const before = cloud.reported.length;
	cloud.cut();
	await clock.advance(10_000);
	expect(cloud.reported).toHaveLength(before);
	cloud.heal();
	await clock.advance(2_100);
	expect(cloud.reported.length).toBeGreaterThan(before);
});

test("a purge that turns pins away changes nothing of what a processor is taken to bear", async () => {
	const { clock, cloud, consumer } = setup();
	await clock.settle();
	const { limit } = consumer.figures().processors.default;
	cloud.world.pinAs = "purging";
	cloud.offer(makeJob(1), makeJob(2));
	await clock.advance(10);
	expect(cloud.log).toEqual(["release 1 none", "release 2 none"]);
	expect(consumer.figures().processors.default.limit).toBe(limit);
	cloud.world.pinAs = "no_slot";
	cloud.offer(makeJob(3));
	await clock.advance(10);
	expect(consumer.figures().processors.default.limit).toBeLessThan(limit);
});

test("attempts are counted once they are made, so that no count ever goes down", async () => {
	const { clock, cloud, consumer } = setup();
	const seen: number[] = [];
	const { pin } = cloud.queue;
	cloud.queue.pin = (...asked) => {
		seen.push(consumer.figures().retries);
		return pin(...asked);
	};
	await clock.settle();
	cloud.world.pinAs = "no_slot";
	cloud.offer(makeJob(1, { attempts: 1 }));
	await clock.advance(100);
	seen.push(consumer.figures().retries);
	cloud.world.pinAs = "pinned";
	cloud.offer(makeJob(2, { attempts: 1 }), makeJob(3));
	await clock.advance(100);
	expect(seen).toEqual([0, 0, 0, 0]);
	expect(consumer.figures()).toMatchObject({ firsts: 1, retries: 1 });
});

test("a payment that a purge kept in doubt is a retry whatever its attempts say: it earns none, and costs none unpinned", async () => {
	const budget = { ratio: 1 / 9, burstMax: 1, tricklePerS: 0.001 };
	const { clock, cloud, consumer } = setup({ budget });
	const pin = { processor: "default", requestedAtUs: sentAtUs } as const;
	await clock.settle();
	cloud.world.pinAs = "no_slot";
	cloud.offer(makeJob(1, { pin }));
	await clock.advance(100);
	expect(cloud.log).toEqual(["read 01 default", "release 1 none"]);
	cloud.world.pinAs = "pinned";
	cloud.offer(makeJob(2, { pin }));
	await clock.advance(100);
	expect(cloud.log).toContain("settle 2 default");
	expect(consumer.figures()).toMatchObject({ firsts: 0, retries: 1 });
});

test("payments in doubt are posted again as far as the budget goes, where their processor is not known to do well", async () => {
	const { clock, cloud, consumer } = setup({ budget: { ratio: 1 / 9, burstMax: 1, tricklePerS: 0.001 } });
	const pin = { processor: "default", requestedAtUs: sentAtUs } as const;
	await clock.settle();
	cloud.offer(makeJob(1, { pin, attempts: 1 }), makeJob(2, { pin, attempts: 1 }));
	await clock.advance(100);
	expect(cloud.log.filter((line) => line.startsWith("charge"))).toEqual(["charge 01 default 0"]);
	expect(cloud.log).toContain("release 2 none");
	expect(consumer.figures()).toMatchObject({ firsts: 0, retries: 1 });
});

test("a payment in doubt is asked for, but not posted again, while its processor says that it fails and is slow", async () => {
	const { clock, cloud, gateway } = setup();
	gateway.gateway.health = async () => ({ reachable: true, failing: true, minResponseMs: 3_000 });
	await clock.advance(1_000);
	const pin = { processor: "default", requestedAtUs: sentAtUs } as const;
	cloud.offer(makeJob(1, { pin, attempts: 1 }));
	await clock.advance(100);
	expect(cloud.log).toEqual(["read 01 default", "release 1 none"]);
});

test("at a processor that is kept away from, one payment in doubt is posted again to find out, no second one beside it", async () => {
	const { clock, cloud, gateway, consumer } = setup();
	gateway.gateway.health = async () => ({ reachable: true, failing: true, minResponseMs: 0 });
	const answer = Promise.withResolvers<ChargeAnswer>();
	gateway.chargeAs = () => answer.promise;
	await clock.advance(1_000);
	const pin = { processor: "default", requestedAtUs: sentAtUs } as const;
	cloud.offer(makeJob(1, { pin, attempts: 1 }), makeJob(2, { pin, attempts: 1 }));
	await clock.advance(100);
	expect(cloud.log.filter((line) => line.startsWith("charge"))).toEqual(["charge 01 default 0"]);
	expect(cloud.log).toContain("release 2 none");
	expect(consumer.figures().processors.default.breaker).toBe("probing");
	answer.resolve({ kind: "charged" });
	await clock.advance(10);
	expect(cloud.log).toContain("settle 1 default");
	expect(consumer.figures().processors.default.breaker).toBe("closed");
});

test("a probe that was never sent has found nothing out: the next one finds its processor open to be tried", async () => {
	const { clock, cloud, gateway, consumer } = setup();
	gateway.gateway.health = async () => ({ reachable: true, failing: true, minResponseMs: 0 });
	await clock.advance(1_000);
	const pin = { processor: "default", requestedAtUs: sentAtUs } as const;
	cloud.world.pinAs = "purging";
	cloud.offer(makeJob(1, { pin, attempts: 1 }));
	await clock.advance(10);
	expect(cloud.log).toEqual(["read 01 default", "release 1 none"]);
	expect(consumer.figures().processors.default.breaker).toBe("open");
	cloud.world.pinAs = "pinned";
	await clock.advance(1_000);
	cloud.offer(makeJob(2, { pin, attempts: 1 }));
	await clock.advance(10);
	expect(cloud.log).toContain("settle 2 default");
});

test("a restart of the queue does not end charges in flight: their leases are taken up again, and they settle", async () => {
	const { clock, cloud, gateway, consumer } = setup();
	const answer = Promise.withResolvers<ChargeAnswer>();
	gateway.chargeAs = () => answer.promise;
	await clock.settle();
	cloud.offer(makeJob(1), makeJob(2));
	await clock.advance(10);
	cloud.cut();
	await clock.advance(2_000);
	answer.resolve({ kind: "charged" });
	await clock.advance(1_000);
	cloud.heal();
	await clock.advance(1_000);
	expect(cloud.opened.at(-1)?.held.sort()).toEqual([1n, 2n]);
	await clock.advance(1_000);
	expect(cloud.log.filter((line) => /settle|release/.test(line)).sort()).toEqual([
		"settle 1 default",
		"settle 2 default",
	]);
	expect(consumer.figures().inHand).toBe(0);
});

test("jobs that the queue says are lost are neither pinned nor sent; a POST that was sent goes on and settles", async () => {
	const { clock, cloud, gateway, consumer } = setup({ limiter: { ...consumerDefaults.limiter, start: 1, ceiling: 1 } });
	const answer = Promise.withResolvers<ChargeAnswer>();
	gateway.chargeAs = () => answer.promise;
	await clock.settle();
	cloud.offer(makeJob(1), makeJob(2));
	await clock.advance(10);
	expect(consumer.figures()).toMatchObject({ inHand: 2, waiting: 1 });
	cloud.world.forget = new Set([1n, 2n]);
	await clock.advance(3_100);
	answer.resolve({ kind: "charged" });
	await clock.advance(100);
	expect(cloud.log).toEqual(["pin 1 default", "charge 01 default 0", "settle 1 default"]);
	expect(consumer.figures().inHand).toBe(0);
});

test("a renewal that meets an end which the queue has and has not answered yet is no loss; one that meets none is", async () => {
	const { clock, cloud, gateway, warnings } = setup();
	const { settle, release } = cloud.queue;
	const late = <T>(answer: Promise<T>): Promise<T> => clock.sleep(5_000).then(() => answer);
	cloud.queue.settle = (...told) => late(settle(...told));
	cloud.queue.release = (...told) => late(release(...told));
	gateway.chargeAs = async () =>
		cloud.log.length === 2 ? { kind: "charged" } : { kind: "not_charged", why: "too_many" };
	await clock.settle();
	cloud.offer(makeJob(1));
	await clock.advance(10);
	cloud.offer(makeJob(2));
	await clock.advance(3_000);
	expect(cloud.log.filter((line) => /settle|release/.test(line))).toEqual([
		"settle 1 default",
		"release 2 not_charged",
	]);
	expect([cloud.renewed, warnings]).toEqual([[[1n, 2n]], []]);
	gateway.chargeAs = hangs;
	cloud.offer(makeJob(3));
	cloud.world.forget.add(3n);
	await clock.advance(3_000);
	expect(warnings).toEqual([[{ leases: 1 }, "leases were lost"]]);
});

test("leases are renewed three times in their length, with all that is in hand", async () => {
	const { clock, cloud, gateway } = setup();
	gateway.chargeAs = () => never();
	await clock.settle();
	cloud.offer(makeJob(1), makeJob(2));
	await clock.advance(9_500);
	expect(cloud.renewed.filter((tokens) => tokens.length === 2).length).toBeGreaterThanOrEqual(2);
});

test("a charge whose processor does not answer is aborted at its deadline, and given back as unknown", async () => {
	const { clock, cloud, gateway, consumer } = setup();
	gateway.chargeAs = hangs;
	await clock.settle();
	cloud.offer(makeJob(1));
	await clock.advance(5_990);
	expect(cloud.log.at(-1)).toBe("charge 01 default 0");
	await clock.advance(20);
	expect(cloud.log.at(-1)).toBe("release 1 unknown");
	expect(consumer.figures().inHand).toBe(0);
});

test("a charge that ignores its abort frees its worker and slot, and is given back as unknown", async () => {
	const { clock, cloud, gateway, consumer, errors } = setup();
	const charged = Promise.withResolvers<ChargeAnswer>();
	gateway.chargeAs = () => charged.promise;
	await clock.settle();
	cloud.offer(makeJob(1));
	await clock.advance(30_200 + consumerDefaults.graceMs);
	expect(cloud.log.at(-1)).toBe("release 1 unknown");
	const { ends, processors, inHand } = consumer.figures();
	expect(ends).toEqual({ ...noEnds(), abandoned: 1 });
	expect(processors.default.inFlight).toBe(0);
	expect(inHand).toBe(0);
	expect(errors).toHaveLength(1);
	charged.resolve({ kind: "charged" });
	await clock.advance(10);
	expect(cloud.log.at(-1)).toBe("settle 1 default");
	expect(consumer.figures().ends, "counted once").toEqual(ends);
});

test("a ledger that does not answer for longer than a job's time is no mistake of the program", async () => {
	const { clock, cloud, gateway, consumer, errors } = setup();
	let charges = 0;
	gateway.chargeAs = async () => {
		await clock.sleep(++charges * 100);
		return { kind: "charged" };
	};
	cloud.queue.settle = async () => {
		await clock.sleep(queueCallMs);
		throw new NoAnswer("no answer");
	};
	await clock.settle();
	for (let n = 1; n <= 20; n++) cloud.offer(makeJob(n));
	await clock.advance(35_000);
	expect(consumer.figures().ends).toEqual({ ...noEnds(), unsettled: 20 });
	expect(errors).toEqual([]);
});

test("a job that fails by a mistake in the program is given back", async () => {
	const { clock, cloud, gateway, consumer } = setup();
	gateway.chargeAs = () => Promise.reject(new Error("a mistake"));
	await clock.settle();
	cloud.offer(makeJob(1));
	await clock.advance(10);
	expect(cloud.log.at(-1)).toBe("release 1 unknown");
	expect(consumer.figures().ends.failed).toBe(1);
});

test("payments in doubt at a processor that does not answer leave the others untouched", async () => {
	const { clock, cloud, gateway } = setup();
	gateway.readBackAs = () => never();
	await clock.settle();
	const pin = { processor: "default", requestedAtUs: sentAtUs } as const;
	cloud.offer(...Array.from({ length: 48 }, (_, i) => makeJob(i + 1, { pin, attempts: 1 })));
	cloud.offer(makeJob(100));
	await clock.advance(10);
	expect(cloud.log).toContain("settle 100 default");
	expect(cloud.log.filter((line) => line.startsWith("read"))).toHaveLength(16);
	expect(
		cloud.log.filter((line) => line.endsWith("unasked")),
		"beyond lane and workers",
	).toHaveLength(16);
});

test("a processor that fails gets a handful of payments, not the backlog, and all are charged when it recovers", async () => {
	const { clock, cloud, gateway, consumer } = setup({
		route: { ...consumerDefaults.route, fees: { default: 0.05, fallback: 0.15 }, patienceMs: 1e9 },
	});
	gateway.chargeAs = async () => ({ kind: "not_charged", why: "failing" });
	await clock.settle();
	let token = 1000;
	for (let i = 1; i <= 50; i++) cloud.offer(makeJob(i));
	let released = 0;
	const comeBack = () => {
		const back = cloud.log.filter((line) => line.startsWith("release"));
		for (const line of back.slice(released))
			cloud.offer(makeJob(token++, { id: makeJob(Number(line.split(" ")[1])).id, attempts: 1 }));
		released = back.length;
	};
	for (let i = 0; i < 100; i++) {
		await clock.advance(100);
		comeBack();
	}
	const wasted = cloud.log.filter((line) => line.startsWith("charge")).length;
	expect(wasted, "those that were under way, and a few a second").toBeLessThan(50 + 10 * 8);
	expect(consumer.figures().processors.default.breaker).not.toBe("closed");
	gateway.chargeAs = async () => ({ kind: "charged" });
	for (let i = 0; i < 100; i++) {
		await clock.advance(100);
		comeBack();
	}
	expect(cloud.log.filter((line) => line.startsWith("settle"))).toHaveLength(50);
});

test("closing gives back what waits, lets what is in flight settle, and ends within its bound", async () => {
	const { clock, cloud, gateway, consumer } = setup({ limiter: { ...consumerDefaults.limiter, start: 2, ceiling: 2 } });
	const first = Promise.withResolvers<ChargeAnswer>();
	let asked = 0;
	gateway.chargeAs = (signal) => (asked++ === 0 ? first.promise : hangs(signal));
	await clock.settle();
	cloud.offer(makeJob(1), makeJob(2), makeJob(3));
	await clock.advance(10);
	let closed = false;
	void consumer.close(3_000).then(() => {
		closed = true;
	});
	await clock.advance(100);
	expect(cloud.log.at(-1)).toBe("release 3 unasked");
	first.resolve({ kind: "charged" });
	await clock.advance(100);
	expect(cloud.log.at(-1)).toBe("settle 1 default");
	expect(closed).toBe(false);
	await clock.advance(2_800);
	expect(closed).toBe(true);
	expect(cloud.log.at(-1)).toBe("release 2 unknown");
	expect(cloud.out.size).toBe(0);
	expect(clock.pending()).toBe(0);
});

test("closing while the queue is away ends within its bound all the same", async () => {
	const { clock, cloud, gateway, consumer } = setup();
	gateway.chargeAs = (signal) => (cloud.log.length > 2 ? never() : hangs(signal));
	await clock.settle();
	cloud.offer(makeJob(1), makeJob(2));
	await clock.advance(10);
	cloud.cut();
	await clock.advance(10);
	let closed = false;
	void consumer.close(2_000).then(() => {
		closed = true;
	});
	await clock.advance(2_000 + consumerDefaults.graceMs + 100);
	expect(closed).toBe(true);
});
