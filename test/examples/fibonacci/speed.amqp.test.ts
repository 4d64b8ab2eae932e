// R3: two servers of one queue, a fast and a slow one, share the calls by speed where each holds one request at a time.
import { describe, expect, test } from "vitest";
import { fibonacci } from "../../../examples/fibonacci/fibonacci.ts";
import { systemClock } from "../../../src/clock.ts";
import { brokerInstalled } from "../../amqp/broker.ts";
import { ownQueue, startClient, startServer } from "./lab.ts";

const calls = 100;
const fastMs = 2;
const slowMs = 40;

async function share(prefetch: number): Promise<{ fast: number; slow: number; tookMs: number }> {
	const queue = ownQueue();
	const taking = (ms: number) =>
		startServer({
			queue,
			kind: "transient",
			prefetch,
			async work(n) {
				await systemClock.sleep(ms);
				return fibonacci(n);
			},
		});
	const fast = await taking(fastMs);
	const slow = await taking(slowMs);
	const client = await startClient({ queue });
	const started = systemClock.monotonic();
	const answers = await Promise.all(Array.from({ length: calls }, (_, n) => client.call(n)));
	const tookMs = systemClock.monotonic() - started;
	expect(answers).toEqual(Array.from({ length: calls }, (_, n) => fibonacci(n)));
	return { fast: fast.counters.worked, slow: slow.counters.worked, tookMs };
}

describe.skipIf(!brokerInstalled)("competing servers", () => {
	test("R3 with prefetch 1 the fast server answers most calls, without a bound both get the same number", async () => {
		const unlimited = await share(0);
		const one = await share(1);
		const row = (name: string, { fast, slow, tookMs }: typeof one) =>
			`${name.padEnd(10)} ${String(fast).padStart(10)} ${String(slow).padStart(12)} ${tookMs.toFixed(0).padStart(10)}`;
		process.stdout.write(
			[
				`\nR3: ${calls} calls at once, two servers of one queue`,
				`prefetch   ${`${fastMs} ms server`} ${`${slowMs} ms server`}   total ms`,
				row("unlimited", unlimited),
				row("1", one),
				"",
			].join("\n"),
		);
		expect(Math.abs(unlimited.fast - unlimited.slow)).toBeLessThanOrEqual(4);
		expect(one.fast + one.slow).toBe(calls);
		expect(one.fast).toBeGreaterThan(70);
	});
});
