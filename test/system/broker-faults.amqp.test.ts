// Faults at 200 payments/s with all calls and events over a broker: whoever ends, whatever is closed, nothing is lost or doubled.
import { setTimeout as sleepMs } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { QueueService } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import { type AmqpRpcClient, connectAmqpRpc } from "../../src/rpc/amqp/client.ts";
import { requestQueue } from "../../src/rpc/amqp/names.ts";
import { type Broker, brokerInstalled, startBroker } from "../amqp/broker.ts";
import { startAckProxy } from "./ack-proxy.ts";
import { type BrokerLab, connectTo, startBrokerLab, untilTidy } from "./broker-lab.ts";
import { isLong, lengthNote, report } from "./conditions.ts";
import { type Load, newPayment, type Posted, startLoad, tally } from "./load.ts";
import { signal } from "./processes.ts";
import { until } from "./until.ts";

const ratePerS = 200;
const faults = isLong ? 20 : 2;
/** After each fault, from the first payment that is accepted again, ms. */
const calmMs = 3_000;
const brokerAwayMs = 5_000;
/** A quorum queue's log is sure to be found again after a kill once the queue is so old, ms: RabbitMQ 3.10. */
const queueSafeMs = 3_000;
/** Who make single calls, each the next one soon after the answer to the last: some are always under way. */
const callersMax = 16;
const betweenCallsMs = 50;
const callMaxMs = 10_000;
const runMaxMs = isLong ? 400_000 : 180_000;

const services = ["QueueService", "StatsService", "ProcessorService"].map((name) => `payrelay.v1.${name}`);

describe.skipIf(!brokerInstalled)(`${ratePerS} payments/s over a broker (${lengthNote})`, () => {
	let broker: Broker;
	beforeAll(async () => {
		broker = await startBroker();
	});
	afterAll(() => broker.remove());

	test(`R4: the cache killed after its answers and before their acknowledgements, ${faults} times: answered twice, charged once`, {
		timeout: runMaxMs,
	}, async () => {
		const proxy = await startAckProxy(broker.port);
		onTestFinished(proxy.close);
		const lab = await startBrokerLab(broker.url, { AMQP_URL: `amqp://127.0.0.1:${proxy.port}` });
		const callers = startCallers(broker.url, lab.namespace);
		let redelivered = 0;
		await endsWell(
			lab,
			async () => {
				const cache = await lab.relay.pid("cache");
				await proxy.hold();
				const killedMs = performance.now();
				signal(cache, "SIGKILL");
				proxy.pass();
				await callers.answered();
				const { broker } = await until("the cache's figures", callMaxMs, () => lab.relay.stats.figures({}));
				redelivered += Number(broker?.counters.redelivered ?? 0);
				return killedMs;
			},
			callers,
		);
		const { late } = callers.counters;
		report(`${tally(callers.called)} by single calls; ${redelivered} requests redelivered, ${late} answered twice`);
		expect(callers.called.filter(({ told }) => told !== "acknowledged")).toEqual([]);
		expect(redelivered).toBeGreaterThan(0);
		expect(late).toBeGreaterThan(0);
		await endsTidy(broker, lab);
	});

	test(`R13: consumer and each api killed in turn, ${faults} times: no queue is left behind`, {
		timeout: runMaxMs,
	}, async () => {
		const lab = await startBrokerLab(broker.url);
		const turns = ["consumer", "api", "consumer", "api"];
		let turn = 0;
		await endsWell(lab, async () => {
			const pids = lab.relay.pids(turns[turn % turns.length]!);
			const pid = pids[turn++ % pids.length] ?? (await lab.relay.pid("consumer"));
			signal(pid, "SIGKILL");
			return performance.now();
		});
		await endsTidy(broker, lab);
	});

	test(`R14: every channel and every connection closed by the broker in turn, ${faults} times`, {
		timeout: runMaxMs,
	}, async () => {
		const lab = await startBrokerLab(broker.url);
		let turn = 0;
		await endsWell(lab, async () => {
			if (turn++ % 2 === 0) await closeChannels(broker);
			else await broker.ctl("close_all_connections", "closed by a test");
			return performance.now();
		});
		await endsTidy(broker, lab);
	});

	test(`R14: the broker stopped, and then killed, for ${brokerAwayMs} ms each: nothing accepted is lost`, {
		timeout: runMaxMs,
	}, async () => {
		const lab = await startBrokerLab(broker.url);
		await sleepMs(queueSafeMs);
		let turn = 0;
		const turns = isLong ? 6 : 2;
		await endsWell(
			lab,
			async () => {
				await (turn++ % 2 === 0 ? broker.stop() : broker.kill());
				await sleepMs(brokerAwayMs);
				await broker.start();
				return performance.now();
			},
			undefined,
			turns,
		);
		await endsTidy(broker, lab);
	});

	test(`R14: the queues of requests deleted under waiting calls, ${faults} times: they are there again`, {
		timeout: runMaxMs,
	}, async () => {
		const lab = await startBrokerLab(broker.url);
		const callers = startCallers(broker.url, lab.namespace);
		await endsWell(
			lab,
			async () => {
				const cache = await lab.relay.pid("cache");
				signal(cache, "SIGSTOP");
				try {
					for (const service of services) await broker.ctl("delete_queue", requestQueue(lab.namespace, service));
				} finally {
					signal(cache, "SIGCONT");
				}
				const healedMs = performance.now();
				await callers.answered();
				return healedMs;
			},
			callers,
		);
		report(`${tally(callers.called)} by single calls`);
		await endsTidy(broker, lab);
	});
});

interface Callers {
	readonly called: readonly Posted[];
	readonly counters: AmqpRpcClient["counters"];
	/** Resolves when a call that is made from now on is answered. */
	answered(): Promise<void>;
	stop(): Promise<void>;
}

/** Single calls to accept payments, each of its own request in the queue, that go on and on. */
function startCallers(url: string, namespace: string): Callers {
	const client = connectAmqpRpc({ connection: connectTo(url), namespace, clock: systemClock });
	const queue = createClient(QueueService, client.transport);
	const called: Posted[] = [];
	const stopping = new AbortController();
	let heard = Promise.withResolvers<number>();

	async function call(): Promise<void> {
		const payment = newPayment();
		called.push(payment);
		try {
			await queue.enqueue({ id: payment.id, amountCents: BigInt(payment.cents) }, { timeoutMs: callMaxMs });
			payment.told = "acknowledged";
			heard.resolve(payment.postedAtMs);
			heard = Promise.withResolvers();
		} catch (error) {
			payment.error = error;
			payment.told = "unclear";
		}
	}

	const running = Array.from({ length: callersMax }, async () => {
		while (!stopping.signal.aborted) {
			await call();
			await sleepMs(betweenCallsMs);
		}
	});
	return {
		called,
		counters: client.counters,
		async answered() {
			const fromMs = performance.now();
			while ((await heard.promise) < fromMs);
		},
		async stop() {
			stopping.abort();
			await Promise.all(running);
			await client.close();
		},
	};
}

/** I4: no queue is left behind, and there are no dead letters. */
async function endsTidy(broker: Broker, lab: BrokerLab): Promise<void> {
	const reasons = await untilTidy(broker, lab);
	expect(reasons).toEqual([]);
}

/** Each channel is sent an acknowledgement of what it never delivered, for which the broker closes it, and it alone. */
async function closeChannels(broker: Broker): Promise<void> {
	await broker.ctl("eval", "[rabbit_channel:do(C, {'basic.ack', 999999999, false}) || C <- rabbit_channel:list()].");
}

/**
 * Load with faults in it, then the audit of all that was promised. `fault` resolves to the moment from which on payments can
 * be accepted again; `callers` bring payments another way.
 */
async function endsWell(
	lab: BrokerLab,
	fault: () => Promise<number>,
	callers?: Callers,
	times = faults,
): Promise<void> {
	await Promise.all([lab.default.delay(20), lab.fallback.delay(20)]);
	const load: Load = startLoad(lab.relay.url, ratePerS);
	await load.firstAcknowledged(performance.now());
	const gapsMs: number[] = [];
	for (let n = 0; n < times; n++) {
		const healedMs = await fault();
		const first = await load.firstAcknowledged(healedMs);
		gapsMs.push(Math.round(first.answeredAtMs! - healedMs));
		await sleepMs(calmMs);
	}
	await callers?.stop();
	const posted = [...(await load.stop()), ...(callers?.called ?? [])];
	const stoppedMs = performance.now();
	const { findings, acknowledged, charged } = await lab.settle(posted);
	const { retries, settlesRefused, broker } = await lab.relay.stats.figures({});
	report(
		`${tally(posted)}; charged ${charged.default} + ${charged.fallback}, ${retries} attempts repeated, ` +
			`${settlesRefused} settles refused; drained and told in ${Math.round(performance.now() - stoppedMs)} ms; ` +
			`${lab.recorder.events.size} events and ${lab.recorder.copies} copies`,
	);
	const { connection_reconnects: reconnects, connection_channels_closed: channelsClosed } = broker?.counters ?? {};
	report(`of the cache: ${reconnects} connections made again, ${channelsClosed} channels closed by the broker`);
	report(`to the first 202 after each fault, ms: ${gapsMs.join(", ")}`);
	expect(findings).toEqual([]);
	expect(acknowledged).toBeGreaterThan(times * ratePerS);
}
