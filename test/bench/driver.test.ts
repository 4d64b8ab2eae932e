// The driver on a slow server: whose fault a delay is.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { sameAmount } from "../../src/bench/amounts.ts";
import { createDriver } from "../../src/bench/driver.ts";
import { createIds } from "../../src/bench/ids.ts";
import { createMeter } from "../../src/bench/meter.ts";
import { createOutcomes } from "../../src/bench/outcomes.ts";

const answerMs = 60;

test("a post that waits for a connection is the server's delay, and not the bench's", async () => {
	const server = createServer((_, response) => void setTimeout(() => response.writeHead(202).end(), answerMs));
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	const meter = createMeter();
	const ids = createIds(new Uint8Array(16));
	const amounts = sameAmount(1);
	const driver = createDriver({ url, timeoutMs: 5_000, ids, amounts, outcomes: createOutcomes(), meter });
	onTestFinished(() => {
		driver.close();
		server.close();
	});
	driver.connect(1);
	const intendedMs = performance.now();
	for (let i = 0; i < 3; i++) driver.post(intendedMs, true);
	await driver.idle();
	expect(meter.counts()).toEqual({ sent: 3, accepted: 3, failed: {} });
	expect(meter.waiting().max).toBeGreaterThan(1.5 * answerMs);
	expect(meter.lateness().max).toBeLessThan(meter.waiting().max!);
	expect(meter.latency().max).toBeGreaterThan(2.5 * answerMs);
});
