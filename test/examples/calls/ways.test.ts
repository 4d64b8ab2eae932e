// Every way to make the call that needs no broker gives the same results.
import { describe, expect, test } from "vitest";
import { compare } from "../../../examples/calls/comparison.ts";
import { comparisonTable } from "../../../examples/calls/table.ts";
import { wayNames, ways } from "../../../examples/calls/ways.ts";
import { testWay } from "./cases.ts";

const direct = wayNames.filter((name) => !ways[name].overBroker);

/** Eight processes are started and warmed up, on machines that may be busy. */
const compareMs = 90_000;

describe("the same call", () => {
	for (const name of direct) testWay(name);

	test(
		"is measured every way, and both sides count the same bytes",
		async () => {
			const rows = await compare({ ways: direct, serialCalls: 50, concurrentCalls: 128, rounds: 1 });
			expect(rows.map(({ way }) => way)).toEqual(direct);
			for (const row of rows) {
				expect(row.sentBytes).toBeGreaterThan(200);
				// But for a frame of HTTP/2 about its window, that may still be on its way when they are read.
				expect(Math.abs(row.serverReceivedBytes - row.sentBytes)).toBeLessThan(2);
				expect(Math.abs(row.serverSentBytes - row.receivedBytes)).toBeLessThan(2);
				expect(row.perSecond).toBeGreaterThan(0);
			}
			const [json, msgpack, connectJson, connectBinary] = rows.map((row) => row.sentBytes + row.receivedBytes);
			expect(json).toBeGreaterThan(msgpack!);
			expect(connectJson).toBeGreaterThan(connectBinary!);
			expect(comparisonTable(rows).trim().split("\n")).toHaveLength(2 + direct.length);
		},
		compareMs,
	);
});
