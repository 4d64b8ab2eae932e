// A run as a table for people: every number with its unit.
import { formatCents } from "../payment/amount.ts";
import { differencesOf } from "./audit.ts";
import type { CommitLatency } from "./beside.ts";
import { failures, type Latency } from "./meter.ts";
import { isRelays, type ServiceUse } from "./processes.ts";
import { type RunResult, repeatRatio } from "./run.ts";
import { tellNumber } from "./tell-number.ts";

export interface Row {
	readonly label: string;
	readonly value: string;
}

const MiB = 1024 * 1024;

export function reportRun(result: RunResult): string {
	const rows = rowsOf(result);
	const lines = [`${result.name}, started ${result.startedAt}`, ...table(rows)];
	if (result.services.length > 0) lines.push("", ...serviceTable(result));
	if (result.troubles.length > 0)
		lines.push("", "requests beside the load that failed:", ...result.troubles.map(indent));
	lines.push("", ...verdict(result.violations));
	return `${lines.join("\n")}\n`;
}

export function verdict(violations: readonly string[]): string[] {
	if (violations.length === 0) return ["every promise kept"];
	return [`PROMISES BROKEN (${violations.length}):`, ...violations.map(indent)];
}

export function table(rows: readonly Row[]): string[] {
	const width = Math.max(...rows.map(({ label }) => label.length));
	return rows.map(({ label, value }) => `  ${label.padEnd(width)}  ${value}`);
}

export function tellLatency({ p50, p99, p999, max }: Latency): string {
	const [median, most, nearlyAll, all] = [p50, p99, p999, max].map((ms) => tellNumber(ms));
	return `p50 ${median} ms, p99 ${most} ms, p99.9 ${nearlyAll} ms, max ${all} ms`;
}

function rowsOf(result: RunResult): Row[] {
	const { counts, latency, charged, byId, audits } = result;
	const seconds = result.loadMs / 1000;
	const failed = Object.entries(counts.failed).map(([kind, n]) => `${n} × ${kind}`);
	const rows: Row[] = [
		{ label: "load", value: `${seconds.toFixed(1)} s, ${counts.sent} payments sent` },
		{ label: "accepted", value: `${counts.accepted} payments, ${(counts.accepted / seconds).toFixed(1)} payments/s` },
		{ label: "failed", value: failed.length === 0 ? "0 requests" : failed.join(", ") },
		{ label: "latency", value: tellLatency(latency) },
		{ label: "sent later than meant", value: `p99 ${tellNumber(result.lateness.p99)} ms (the bench's own)` },
		{ label: "of latency, waiting for a connection", value: `p99 ${tellNumber(result.waiting.p99)} ms` },
		{ label: "charged at default", value: `${charged.default.count} payments, ${formatCents(charged.default.cents)}` },
		{
			label: "charged at fallback",
			value: `${charged.fallback.count} payments, ${formatCents(charged.fallback.cents)}`,
		},
		{ label: "fees", value: result.fees },
		{ label: "unpaid when the load ended", value: `${result.unpaidAtEnd} payments` },
		{
			label: "settled",
			value: result.drained
				? `all, ${result.drainMs.toFixed(0)} ms after the load`
				: `not all in ${result.drainMs.toFixed(0)} ms`,
		},
		{ label: "unpaid in the end", value: `${byId.unpaid} payments` },
		{ label: "without a clear answer", value: `${byId.unclear} payments, of which ${byId.unclearCharged} charged` },
	];
	if (audits.length > 0) {
		const plain = audits.map(({ plainCount }) => plainCount);
		const broken = audits.filter(({ violations }) => violations.length > 0);
		const healed = broken.map(({ agreedAfterMs }) =>
			agreedAfterMs === undefined ? "never within the bound" : `after ${agreedAfterMs.toFixed(0)} ms`,
		);
		rows.push(
			{ label: "plain differences by audit", value: `${plain.join(" ")} payments` },
			{
				label: "audits that disagreed",
				value: `${broken.length} of ${audits.length}${healed.length > 0 ? `; agreed ${healed.join(", ")}` : ""}`,
			},
		);
	}
	if (result.summaries.count > 0)
		rows.push({ label: "summaries during the load", value: tellLatency(result.summaries) });
	if (result.commits.length > 0) {
		const { p50, p99 } = worstCommits(result);
		const value = `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms in the worst 10 to 20 s`;
		rows.push({ label: "from answer to commit", value });
	}
	rows.push({ label: "score", value: tellScore(result) });
	const repeats = repeatRatio(result.simulators);
	if (repeats !== undefined) {
		const reads = Object.values(result.simulators).reduce((sum, one) => sum + one.reads, 0);
		const value = `${(repeats * 100).toFixed(1)} % of the charges in further posts, ${reads} read-backs`;
		rows.push({ label: "asked of the processors", value });
	}
	for (const [name, { health }] of Object.entries(result.simulators)) {
		const gap =
			health.minAskedIntervalMs === null ? "" : `, ${Math.floor(health.minAskedIntervalMs)} ms apart at least`;
		rows.push({ label: `health of ${name}`, value: `asked ${health.asked} times${gap}` });
	}
	rows.push(...metricRows(result.relayMetrics));
	if (result.cpuUsPerPayment !== undefined)
		rows.push({ label: "CPU of the relay", value: `${result.cpuUsPerPayment.toFixed(0)} µs a payment` });
	const benchShare = (result.benchCpuMs / result.loadMs) * 100;
	rows.push({ label: "CPU of the bench", value: `${benchShare.toFixed(0)} % of one core` });
	return rows;
}

export function worstCommits({ commits }: RunResult): CommitLatency {
	return { p50: Math.max(...commits.map(({ p50 }) => p50)), p99: Math.max(...commits.map(({ p99 }) => p99)) };
}

function tellScore({ score, httpLatency }: RunResult): string {
	const rate = `bonus rate ${score.bonusRate} at p99 ${tellNumber(httpLatency.p99)} ms of all requests`;
	const sum = `${score.net} net + ${score.bonus} bonus − ${score.penalty} penalty; ${rate}`;
	return `${score.score} (${sum})${score.disqualified ? ", DISQUALIFIED: more counted than accepted" : ""}`;
}

function metricRows(metrics: Readonly<Record<string, number>>): Row[] {
	const attempts = metrics.payrelay_attempts_total;
	const retries = metrics.payrelay_retries_total;
	if (attempts === undefined || retries === undefined || attempts === 0) return [];
	const value = `${attempts} attempts, ${retries} of them repeated (${((retries / attempts) * 100).toFixed(1)} %)`;
	return [{ label: "as the relay counts", value }];
}

function serviceTable({ services, counts, loadMs, drainMs }: RunResult): string[] {
	const forMs = loadMs + drainMs;
	const mib = (bytes: number | undefined): string => (bytes === undefined ? "-" : (bytes / MiB).toFixed(1));
	const head = [
		"process",
		"number",
		"RSS start MiB",
		"RSS most MiB",
		"RSS end MiB",
		"PSS end MiB",
		"CPU s",
		"CPU % of a core",
		"CPU µs a payment",
	];
	const line = (name: string, group: readonly ServiceUse[]): string[] => {
		const sum = (of: (one: ServiceUse) => number): number => group.reduce((total, one) => total + of(one), 0);
		const pss = group.every((one) => one.pssEndBytes !== undefined) ? sum((one) => one.pssEndBytes!) : undefined;
		return [
			name,
			String(sum((one) => one.processes)),
			mib(sum((one) => one.rssStartBytes)),
			mib(sum((one) => one.rssMaxBytes)),
			mib(sum((one) => one.rssEndBytes)),
			mib(pss),
			(sum((one) => one.cpuMs) / 1000).toFixed(2),
			((sum((one) => one.cpuMs) / forMs) * 100).toFixed(1),
			((sum((one) => one.cpuMs) * 1000) / Math.max(counts.accepted, 1)).toFixed(0),
		];
	};
	const relays = services.filter(({ name }) => isRelays(name));
	return columns([head, ...services.map((one) => line(one.name, [one])), line("the relay in all", relays)]);
}

/** The first column to the left, numbers to the right. */
export function columns(lines: readonly (readonly string[])[]): string[] {
	const widths = (lines[0] ?? []).map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
	return lines.map(
		(line) => `  ${line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ")}`,
	);
}

/** Memory from run to run, without a restart in between. */
export function reportRuns(results: readonly RunResult[]): string {
	const names = [...new Set(results.flatMap(({ services }) => services.map(({ name }) => name)))];
	const mib = (bytes: number): string => (bytes / MiB).toFixed(1);
	const rss = (result: RunResult, name: string): number =>
		result.services.find((one) => one.name === name)?.rssEndBytes ?? 0;
	const head = [
		"run",
		"accepted",
		"p99 ms",
		"unpaid",
		"differences",
		"failed",
		"score",
		...names.map((name) => `${name} MiB`),
	];
	const lines = results.map((result, i) => [
		String(i + 1),
		String(result.counts.accepted),
		tellNumber(result.latency.p99),
		String(result.unpaidAtEnd),
		String(differencesOf(result.audits)),
		String(failures(result.counts)),
		result.score.score,
		...names.map((name) => mib(rss(result, name))),
	]);
	const growth = names.map((name) => {
		const first = results[0] ? rss(results[0], name) : 0;
		const last = results.at(-1) ? rss(results.at(-1)!, name) : 0;
		return `${last >= first ? "+" : "−"}${mib(Math.abs(last - first))}`;
	});
	const grown = ["first to last", "", "", "", "", "", "", ...growth];
	return `${columns([head, ...lines, grown]).join("\n")}\n`;
}

const indent = (line: string): string => `  ${line}`;
