// The comparison as a table for people, in Markdown.
import type { Row } from "./comparison.ts";
import { concurrency } from "./comparison.ts";
import { ways } from "./ways.ts";

const columns: readonly [head: string, cell: (row: Row) => string][] = [
	["way", ({ way }) => ways[way].title],
	["bytes sent", ({ sentBytes }) => sentBytes.toFixed(0)],
	["received", ({ receivedBytes }) => receivedBytes.toFixed(0)],
	["serial p50 ms", ({ serialP50Ms }) => serialP50Ms.toFixed(2)],
	["p99", ({ serialP99Ms }) => serialP99Ms.toFixed(2)],
	[`${concurrency} at a time p50 ms`, ({ concurrentP50Ms }) => concurrentP50Ms.toFixed(1)],
	["p99", ({ concurrentP99Ms }) => concurrentP99Ms.toFixed(1)],
	["calls/s", ({ perSecond }) => perSecond.toFixed(0)],
	["CPU µs: caller", ({ callerCpuUs }) => callerCpuUs.toFixed(0)],
	["server", ({ serverCpuUs }) => serverCpuUs.toFixed(0)],
	["broker", ({ brokerCpuUs }) => (Number.isNaN(brokerCpuUs) ? "" : brokerCpuUs.toFixed(0))],
];

/** What a broker adds on its way to the server stands below. */
export function comparisonTable(rows: readonly Row[]): string {
	const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
	const lines = [line(columns.map(([head]) => head)), line(columns.map((_, i) => (i === 0 ? "---" : "--:")))];
	for (const row of rows) lines.push(line(columns.map(([, cell]) => cell(row))));
	for (const { way, serverReceivedBytes, serverSentBytes } of rows)
		if (ways[way].overBroker)
			lines.push(
				"",
				`${ways[way].title}: between broker and server another ${serverReceivedBytes.toFixed(0)} bytes to it and ${serverSentBytes.toFixed(0)} from it.`,
			);
	return `${lines.join("\n")}\n`;
}
