// kill -9 of every process in turn, under load: what was acknowledged is charged once, and the relay is soon back.
import { setTimeout as sleepMs } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { QueueService } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import { isLong, lengthNote, report } from "./conditions.ts";
import { type Lab, startLab } from "./lab.ts";
import { newPayment, startLoad, tally } from "./load.ts";
import { signal } from "./processes.ts";

const ratePerS = 500;
const killEveryMs = 2_000;
const kills = isLong ? 30 : 8;
const waiting = 100_000;
const batchMax = 1_024;

test(`cache, consumer and each api killed in turn every ${killEveryMs} ms at ${ratePerS} payments/s, ${kills} kills (${lengthNote}): every acknowledged payment is charged once`, {
	timeout: 180_000,
}, async () => {
	const lab = await startLab();
	await Promise.all([lab.default.delay(20), lab.fallback.delay(20)]);
	const load = startLoad(lab.relay.url, ratePerS);
	await load.firstAcknowledged(performance.now());
	const turns: (() => Promise<number>)[] = [
		() => lab.relay.pid("cache"),
		() => lab.relay.pid("consumer"),
		() => lab.relay.pid("api"),
		async () => lab.relay.pids("api").at(-1) ?? lab.relay.pid("api"),
	];
	const gapsMs: number[] = [];
	for (let kill = 0; kill < kills; kill++) {
		const pid = await turns[kill % turns.length]!();
		const killedMs = performance.now();
		signal(pid, "SIGKILL");
		const nextTurn = sleepMs(killEveryMs);
		const first = await load.firstAcknowledged(killedMs);
		if (kill % turns.length === 0) gapsMs.push(Math.round(first.answeredAtMs! - killedMs));
		await nextTurn;
	}
	const posted = await load.stop();
	await lab.drained();
	const { findings, acknowledged, charged } = await lab.audit(posted);
	report(`${tally(posted)}; charged ${charged.default} + ${charged.fallback}`);
	report(`from SIGKILL of the cache to the first 202, ms: ${gapsMs.join(", ")}`);
	expect(findings).toEqual([]);
	expect(acknowledged).toBeGreaterThan(posted.length / 4);
});

test(`the cache killed with ${waiting} payments waiting says yes again, and has them all`, {
	timeout: 120_000,
}, async () => {
	const lab = await startLab();
	await Promise.all([lab.default.fail(true), lab.fallback.fail(true)]);
	await fill(lab, waiting);
	const load = startLoad(lab.relay.url, ratePerS);
	await load.firstAcknowledged(performance.now() + 1_000);
	const gapsMs: number[] = [];
	for (let kill = 0; kill < (isLong ? 5 : 2); kill++) {
		const pid = await lab.relay.pid("cache");
		const killedMs = performance.now();
		signal(pid, "SIGKILL");
		const first = await load.firstAcknowledged(killedMs);
		gapsMs.push(Math.round(first.answeredAtMs! - killedMs));
		await load.firstAcknowledged(performance.now() + 1_000);
	}
	const posted = await load.stop();
	report(`from SIGKILL of the cache to the first 202 with ${waiting} waiting, ms: ${gapsMs.join(", ")}`);
	const { accepted, settled } = await lab.relay.stats.figures({});
	const acknowledged = posted.filter(({ told }) => told === "acknowledged").length;
	expect(Number(accepted)).toBeGreaterThanOrEqual(waiting + acknowledged);
	expect(Number(accepted)).toBeLessThanOrEqual(waiting + posted.length);
	expect(settled).toBe(0n);
});

/** Fills the queue as fast as the cache takes payments, by the services' own way. */
async function fill(lab: Lab, count: number): Promise<void> {
	const transport = createConnectTransport({ baseUrl: `http://${lab.relay.rpcAddr}`, httpVersion: "2" });
	const queue = createClient(QueueService, transport);
	async function* batches() {
		for (let sent = 0, batch = 0; sent < count; sent += batchMax, batch++) {
			const payments = Array.from({ length: Math.min(batchMax, count - sent) }, () => {
				const { id, cents } = newPayment();
				return { id, amountCents: BigInt(cents) };
			});
			yield { batch, payments };
		}
	}
	for await (const { outcomes } of queue.enqueueStream(batches())) expect(new Set(outcomes)).toEqual(new Set([1]));
}
