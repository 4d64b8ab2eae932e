// R22: what the broker costs, as the same call over both carriers in one run.
import { describe, expect, test } from "vitest";
import { compare } from "../../../examples/calls/comparison.ts";
import { comparisonTable } from "../../../examples/calls/table.ts";
import { brokerInstalled, sharedBrokerUrl } from "../../amqp/broker.ts";
import { testWay } from "./cases.ts";

/** Four processes are started and warmed up, on machines that may be busy. */
const compareMs = 90_000;

describe.skipIf(!brokerInstalled)("the same call over a broker", () => {
	testWay("connect-binary-amqp", sharedBrokerUrl);

	test(
		"R22 a table of what the broker costs: serial p50 and throughput of the same call over both carriers",
		async () => {
			const rows = await compare({
				ways: ["connect-binary-http2", "connect-binary-amqp"],
				amqpUrl: sharedBrokerUrl(),
				serialCalls: 200,
				concurrentCalls: 1_000,
				rounds: 1,
			});
			process.stdout.write(`\nR22: the same call over both carriers\n${comparisonTable(rows)}`);
			const [http2, amqp] = rows;
			expect(amqp?.sentBytes).toBeGreaterThan(http2!.sentBytes);
			// The broker adds to what it passes on who it is from and where it is in the queue.
			expect(amqp?.serverReceivedBytes).toBeGreaterThan(amqp!.sentBytes / 2);
			for (const row of rows) {
				expect(row.serialP50Ms).toBeGreaterThan(0);
				expect(row.perSecond).toBeGreaterThan(0);
			}
		},
		compareMs,
	);
});
