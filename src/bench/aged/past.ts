// Summaries of the past while nothing else is asked: how long they take, and whether they tell what was written.
import { processors } from "../../payment/payment.ts";
import { describeTotals, sameTotals } from "../books.ts";
import { createLatencies } from "../meter.ts";
import { prefilledBooks, prefilledSpan } from "../prefill.ts";
import { tellLatency } from "../report.ts";
import { windowOf } from "../window.ts";
import { addFigure, type Running } from "./state.ts";

const warmUpQueries = 100;
const comparedWindows = 20;

/** Random windows over the past, one after the other; the first of them are compared with what was written. */
export async function askPast({ target, state, random, tell, signal }: Running, queries: number): Promise<void> {
	const { fromMs, toMs } = prefilledSpan(state.past);
	const latencies = createLatencies();
	for (let i = -warmUpQueries; i < queries; i++) {
		signal.throwIfAborted();
		const [a, b] = [random(), random()].map((part) => Math.floor(fromMs + part * (toMs - fromMs))) as [number, number];
		const [from, to] = [Math.min(a, b), Math.max(a, b)];
		const askedMs = performance.now();
		const books = await target.relay.books(windowOf(from, to));
		if (i >= 0) latencies.record(performance.now() - askedMs);
		if (i >= comparedWindows - warmUpQueries) continue;
		const written = prefilledBooks(state.past, from, to);
		for (const one of processors)
			if (!sameTotals(books[one], written[one]))
				state.violations.push(
					`${one}, from ${from} to ${to} ms: ${describeTotals(books[one])}, and ${describeTotals(written[one])} were written`,
				);
	}
	const latency = latencies.read();
	tell(`${state.name}: summaries of the past ${tellLatency(latency)}`);
	addFigure(state, "summary p50", latency.p50, "ms");
	addFigure(state, "summary p99", latency.p99, "ms");
}
