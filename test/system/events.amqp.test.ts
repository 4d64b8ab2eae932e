// What happened to payments, announced to whoever listens: to each subscriber all of it, whoever of them, broker and cache was away.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { AmqpConnection } from "../../src/amqp/connection.ts";
import { systemClock } from "../../src/clock.ts";
import { eventQueue } from "../../src/events/broker.ts";
import type { ReceivedEvent } from "../../src/events/payment-event.ts";
import { type QueriedPayment, queryPayment } from "../../src/events/query.ts";
import { type Subscription, subscribe } from "../../src/events/subscriber.ts";
import { type Broker, brokerInstalled, startBroker } from "../amqp/broker.ts";
import { connectTo, overBroker } from "./broker-lab.ts";
import { isLong, lengthNote, patience, report } from "./conditions.ts";
import { recordEvents } from "./event-recorder.ts";
import { type Lab, startLab } from "./lab.ts";
import { type Posted, startLoad, tally } from "./load.ts";
import { signal } from "./processes.ts";
import { projectRoot, runtimeCommand } from "./relay.ts";
import { until, within } from "./until.ts";

const ratePerS = 200;
/** Where each of several subscribers, all in one process with the processors and the load, queries every payment back. */
const queriedRatePerS = 50;
const phaseMs = isLong ? 15_000 : 3_000;
/** For the last event to be handled, ms. */
const toldMaxMs = 30_000;
/** A quorum queue's log is sure to be found again after a kill once the queue is so old, ms: RabbitMQ 3.10. */
const queueSafeMs = 3_000;
const testMaxMs = isLong ? 300_000 : 120_000;

interface Subscriber {
	/** What was handled, by payment. */
	readonly handled: ReadonlyMap<string, QueriedPayment>;
	/** How often a payment was handled once more, over restarts. */
	again: number;
	/** From the event to the end of its handling, ms. */
	readonly lagsMs: number[];
	figures(): Subscription["figures"] | undefined;
	start(): Promise<void>;
	stop(): Promise<void>;
}

/** One of the processed payments, which queries each one back. */
function createSubscriber(url: string, namespace: string, name: string, api: string): Subscriber {
	const handled = new Map<string, QueriedPayment>();
	const faults: unknown[] = [];
	const types = ["payment.processed"] as const;
	let connection: AmqpConnection | undefined;
	let subscription: Subscription | undefined;
	const subscriber = {
		figures: () => subscription?.figures,
		handled,
		again: 0,
		lagsMs: [] as number[],
		async start() {
			connection = connectTo(url);
			const intake = eventQueue({ connection, namespace, queue: `${namespace}.${name}`, types });
			subscription = await subscribe(intake, {
				types,
				query: queryPayment(api),
				async handle({ time }: ReceivedEvent, payment: QueriedPayment) {
					if (handled.has(payment.id)) subscriber.again++;
					handled.set(payment.id, payment);
					subscriber.lagsMs.push(Date.now() - Date.parse(time!));
				},
				clock: systemClock,
				onFault: (cause) => faults.push(cause),
			});
		},
		async stop() {
			await subscription?.close();
			await connection?.close();
			expect(faults).toEqual([]);
		},
	};
	return subscriber;
}

async function chargedIds(lab: Lab): Promise<string[]> {
	const charges = await Promise.all(lab.processors.map((one) => one.charges()));
	return charges.flat().map(({ id }) => id);
}

/** The share of so many percent is not above it. */
function percentile(values: readonly number[], percent: number): number {
	const sorted = values.toSorted((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}

describe.skipIf(!brokerInstalled)(`R20: events (${lengthNote})`, () => {
	let broker: Broker;
	beforeAll(async () => {
		broker = await startBroker();
	});
	afterAll(() => broker.remove());

	/** Processors that take a moment, and the relay in front of them; calls go over HTTP/2, so that they need no broker. */
	async function startTelling(): Promise<{ lab: Lab; namespace: string }> {
		const { namespace, settings } = overBroker(broker.url);
		const lab = await startLab({ settings: { ...settings, ...patience, CARRIER: "http2" } });
		await Promise.all([lab.default.delay(10), lab.fallback.delay(10)]);
		return { lab, namespace };
	}

	test("each of several subscribers is told of every processed payment; a further one joins, and a stopped one catches up", {
		timeout: testMaxMs,
	}, async () => {
		const { lab, namespace } = await startTelling();
		const create = (name: string) => createSubscriber(broker.url, namespace, name, lab.relay.url);
		const [always, other, paused, late] = [create("always"), create("other"), create("paused"), create("late")];
		await Promise.all([always.start(), other.start(), paused.start()]);
		const load = startLoad(lab.relay.url, queriedRatePerS);
		await load.firstAcknowledged(performance.now() + phaseMs);
		await paused.stop();
		await late.start();
		const joinedMs = performance.now();
		await load.firstAcknowledged(performance.now() + phaseMs);
		const missed = lab.relay.stats.figures({}).then(({ settled }) => Number(settled) - paused.handled.size);
		report(`${await missed} processed while one of the subscribers was stopped`);
		await paused.start();
		await load.firstAcknowledged(performance.now() + phaseMs);
		const posted = await load.stop();
		await lab.drained();
		const charged = (await chargedIds(lab)).toSorted();
		for (const subscriber of [always, other, paused])
			await until("every event", toldMaxMs, () => {
				if (subscriber.handled.size === charged.length) return true;
				throw new Error(`${subscriber.handled.size} of ${charged.length}: ${JSON.stringify(subscriber.figures())}`);
			});
		const afterJoining = posted.filter(({ told, postedAtMs }) => told === "acknowledged" && postedAtMs > joinedMs);
		await until("the latecomer's events", toldMaxMs, () => afterJoining.every(({ id }) => late.handled.has(id)));
		await Promise.all([always, other, paused, late].map((one) => one.stop()));
		const { findings } = await lab.audit(posted);
		report(
			`${tally(posted)}; from the event to the end of its handling, ms: p50 ${percentile(always.lagsMs, 50)}, p99 ${percentile(always.lagsMs, 99)}; ` +
				`handled again after the stop: ${paused.again}; told to the latecomer: ${late.handled.size}`,
		);
		expect(findings).toEqual([]);
		for (const { handled } of [always, other, paused]) {
			expect([...handled.keys()].toSorted()).toEqual(charged);
			expect(notAsPosted(posted, handled)).toEqual([]);
		}
	});

	test(`the broker stopped while ${ratePerS} payments/s are processed: they go on, and all is told when it is back`, {
		timeout: testMaxMs,
	}, async () => {
		const { lab, namespace } = await startTelling();
		const recorder = await recordEvents(connectTo(broker.url), namespace, `${namespace}.recorder`);
		const load = startLoad(lab.relay.url, ratePerS);
		await load.firstAcknowledged(performance.now() + queueSafeMs);
		await broker.stop();
		await load.firstAcknowledged(performance.now() + phaseMs);
		const { outboxDepth } = await lab.relay.stats.figures({});
		await broker.start();
		const backMs = performance.now();
		const posted = await load.stop();
		await lab.drained();
		await allTold(lab, recorder);
		const { findings } = await lab.audit(posted);
		report(
			`${tally(posted)}; ${outboxDepth} events waited for the broker, and all were told ${Math.round(performance.now() - backMs)} ms after it was back; ` +
				`${recorder.events.size} events and ${recorder.copies} copies`,
		);
		expect(findings).toEqual([]);
		expect(Number(outboxDepth)).toBeGreaterThan(0);
		expect(posted.filter(({ told }) => told !== "acknowledged")).toEqual([]);
	});

	test("the broker killed, and then the cache with events that nobody has taken: none is lost", {
		timeout: testMaxMs,
	}, async () => {
		const { lab, namespace } = await startTelling();
		const recorder = await recordEvents(connectTo(broker.url), namespace, `${namespace}.recorder`);
		const load = startLoad(lab.relay.url, ratePerS);
		await load.firstAcknowledged(performance.now() + queueSafeMs);
		await broker.kill();
		await load.firstAcknowledged(performance.now() + phaseMs / 2);
		const { outboxDepth } = await lab.relay.stats.figures({});
		signal(await lab.relay.pid("cache"), "SIGKILL");
		await load.firstAcknowledged(performance.now() + phaseMs / 2);
		await broker.start();
		await load.firstAcknowledged(performance.now());
		signal(await lab.relay.pid("cache"), "SIGKILL");
		await load.firstAcknowledged(performance.now());
		const posted = await load.stop();
		await lab.drained();
		await allTold(lab, recorder);
		const { findings } = await lab.audit(posted);
		report(`${tally(posted)}; ${outboxDepth} events in the outbox of the killed cache; ${recorder.copies} copies`);
		expect(findings).toEqual([]);
		expect(Number(outboxDepth)).toBeGreaterThan(0);
	});

	test("the example prints each processed payment; two of one queue share them", { timeout: testMaxMs }, async () => {
		const { lab, namespace } = await startTelling();
		const consumers = await Promise.all([1, 2].map(() => startExample(broker.url, namespace, lab.relay.url)));
		await until("both to listen", toldMaxMs, async () =>
			(await broker.ctl("list_queues", "name", "consumers")).includes(`${namespace}.example\t2`),
		);
		const load = startLoad(lab.relay.url, queriedRatePerS);
		await load.firstAcknowledged(performance.now() + phaseMs);
		const posted = await load.stop();
		await lab.drained();
		const lines = () => consumers.flatMap(({ output }) => output().trimEnd().split("\n"));
		await until("a line for each payment", toldMaxMs, () => {
			if (lines().length >= posted.length) return true;
			throw new Error(`${lines().length} of ${posted.length}`);
		});
		const due = posted.map(({ id, cents }) => `${id} ${(cents / 100).toFixed(2)} default`);
		const printed = lines().map((line) => line.split(" ").slice(0, 3).join(" "));
		expect(printed.toSorted()).toEqual(due.toSorted());
		for (const { output, stop } of consumers) {
			expect(output()).not.toBe("");
			expect(await stop()).toBe(0);
		}
	});
});

/** I6, and each event in the order of its payment. */
async function allTold(lab: Lab, recorder: Awaited<ReturnType<typeof recordEvents>>): Promise<void> {
	const charged = await chargedIds(lab);
	await until("every event", toldMaxMs, () => {
		const [finding] = recorder.findings(charged);
		if (finding !== undefined) throw new Error(finding);
		return true;
	});
}

/** Where what was queried back is not what was posted. */
function notAsPosted(posted: readonly Posted[], handled: ReadonlyMap<string, QueriedPayment>): string[] {
	const cents = new Map(posted.map((payment) => [payment.id, BigInt(payment.cents)]));
	return [...handled.values()].flatMap((payment) => {
		const { id, state, amountCents, chargedCents } = payment;
		const due = cents.get(id);
		return state === "settled" && amountCents === due && chargedCents === due ? [] : [`${id}: ${state} ${amountCents}`];
	});
}

async function startExample(amqpUrl: string, namespace: string, api: string) {
	const [program, ...before] = runtimeCommand;
	const options = ["--amqp-url", amqpUrl, "--namespace", namespace, "--api", api, "--queue", `${namespace}.example`];
	const child = spawn(program, [...before, join(projectRoot, "examples/events/processed.ts"), ...options], {
		stdio: ["ignore", "pipe", "inherit"],
	});
	onTestFinished(() => void child.kill("SIGKILL"));
	let output = "";
	child.stdout.on("data", (chunk) => (output += chunk));
	const exited = once(child, "exit");
	return {
		output: () => output,
		async stop(): Promise<number> {
			// Deno tells of a child that was ended by `kill` as if the signal had ended it, whatever it made of the signal.
			process.kill(child.pid!, "SIGTERM");
			const [code] = await within("the example's end", toldMaxMs, exited);
			return code;
		},
	};
}
