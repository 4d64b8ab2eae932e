// What is measured while a load runs: counts, and latencies in histograms, of the whole and second by second.
import { build, type Histogram } from "hdr-histogram-js";

/** All in milliseconds, and all undefined where there was nothing: no time at all is no short time. */
export interface Latency {
	readonly count: number;
	readonly p50: number | undefined;
	readonly p90: number | undefined;
	readonly p99: number | undefined;
	readonly p999: number | undefined;
	readonly max: number | undefined;
	readonly mean: number | undefined;
}

export interface Counts {
	readonly sent: number;
	readonly accepted: number;
	/** Everything else that has ended, by what it came to: `status 503`, `time-out`, … */
	readonly failed: Readonly<Record<string, number>>;
}

export interface Interval extends Counts {
	/** Of what was accepted in this interval. */
	readonly latency: Latency;
	/** How much later than intended the bench came to a post, p99 ms: above some ms it is the bench that was too slow. */
	readonly lateMs: number | undefined;
}

export interface Meter {
	/** A post's moment has come, or had come so long ago. */
	due(lateMs: number): void;
	/** It goes out, after it has waited so long for a free connection, because the server still had them all. */
	sent(waitedMs: number): void;
	/** `measured` is false in a warm-up: counted, but without its latency. */
	accepted(latencyMs: number, measured: boolean): void;
	failed(kind: string): void;
	/** A successful HTTP request beside the payments, such as an audit's: the public score counts these too. */
	beside(latencyMs: number): void;
	counts(): Counts;
	/** Of accepted payments. */
	latency(): Latency;
	/** Of all successful HTTP requests. */
	httpLatency(): Latency;
	/** How much later than intended the bench came to each post. */
	lateness(): Latency;
	/** How long posts waited for a free connection, which is a part of their latency. */
	waiting(): Latency;
	/** What happened since the last call. */
	interval(): Interval;
}

const latencyMaxUs = 600_000_000;
const nothing = {
	p50: undefined,
	p90: undefined,
	p99: undefined,
	p999: undefined,
	max: undefined,
	mean: undefined,
};

export function createLatencies(): { record(ms: number): void; read(): Latency; reset(): void } {
	const histogram: Histogram = build({
		bitBucketSize: 32,
		autoResize: true,
		lowestDiscernibleValue: 1,
		highestTrackableValue: 10_000_000,
		numberOfSignificantValueDigits: 3,
	});
	const at = (percentile: number): number =>
		Math.min(histogram.getValueAtPercentile(percentile), histogram.maxValue) / 1000;
	return {
		record(ms) {
			histogram.recordValue(Math.min(Math.max(Math.round(ms * 1000), 1), latencyMaxUs));
		},
		read() {
			const count = histogram.totalCount;
			if (count === 0) return { count, ...nothing };
			return {
				count,
				p50: at(50),
				p90: at(90),
				p99: at(99),
				p999: at(99.9),
				max: histogram.maxValue / 1000,
				mean: Math.round(histogram.mean) / 1000,
			};
		},
		reset: () => histogram.reset(),
	};
}

export function createMeter(): Meter {
	const [whole, http, late, waited, recent, recentLate] = Array.from({ length: 6 }, createLatencies) as [
		ReturnType<typeof createLatencies>,
		ReturnType<typeof createLatencies>,
		ReturnType<typeof createLatencies>,
		ReturnType<typeof createLatencies>,
		ReturnType<typeof createLatencies>,
		ReturnType<typeof createLatencies>,
	];
	let sent = 0;
	let accepted = 0;
	const failed: Record<string, number> = {};
	let before: Counts = { sent: 0, accepted: 0, failed: {} };
	const counts = (): Counts => ({ sent, accepted, failed: { ...failed } });

	return {
		due(lateMs) {
			late.record(lateMs);
			recentLate.record(lateMs);
		},
		sent(waitedMs) {
			sent++;
			waited.record(waitedMs);
		},
		accepted(latencyMs, measured) {
			accepted++;
			recent.record(latencyMs);
			if (!measured) return;
			whole.record(latencyMs);
			http.record(latencyMs);
		},
		failed(kind) {
			failed[kind] = (failed[kind] ?? 0) + 1;
		},
		beside: (latencyMs) => http.record(latencyMs),
		counts,
		latency: whole.read,
		httpLatency: http.read,
		lateness: late.read,
		waiting: waited.read,
		interval() {
			const now = counts();
			const kinds = Object.entries(now.failed).map(([kind, n]) => [kind, n - (before.failed[kind] ?? 0)] as const);
			const interval: Interval = {
				sent: now.sent - before.sent,
				accepted: now.accepted - before.accepted,
				failed: Object.fromEntries(kinds.filter(([, n]) => n > 0)),
				latency: recent.read(),
				lateMs: recentLate.read().p99,
			};
			before = now;
			recent.reset();
			recentLate.reset();
			return interval;
		},
	};
}

export function failures(counts: Counts): number {
	return Object.values(counts.failed).reduce((sum, n) => sum + n, 0);
}
