// What goes on beside a load: the stages of the timetable, audits, summaries, and a reading of everything once a second.

import { systemClock } from "../clock.ts";
import { type Audit, audit, auditWindow } from "./audit.ts";
import type { Live } from "./live.ts";
import { createLatencies, failures, type Interval, type Latency, type Meter } from "./meter.ts";
import { rssByName } from "./processes.ts";
import { createRandom } from "./random.ts";
import type { Target } from "./target.ts";
import type { Timetable } from "./timetable.ts";
import { windowOf } from "./window.ts";

export interface AuditPlan {
	readonly everyMs: number;
	/** How long ago the audited window ended, and how long it is. */
	readonly lagMs: number;
	readonly spanMs: number;
	/** Between a processor's reading and the relay's: what was charged right before is in the books so much later. */
	readonly graceMs: number;
}

/** One second of a run. */
export interface Sample extends Interval {
	readonly atS: number;
	/** Charged so far; absent where the processors do not tell. */
	readonly charged?: number;
	/** Accepted and not charged. */
	readonly lag?: number;
	/** Resident memory by service, bytes. */
	readonly rss: Readonly<Record<string, number>>;
}

export interface BesidePlan {
	readonly name: string;
	readonly forMs: number;
	readonly timetable: Timetable;
	readonly audits: AuditPlan | undefined;
	readonly summariesPerSecond: number;
}

/** Over the last 10 to 20 s, all ms. */
export interface CommitLatency {
	readonly p50: number;
	readonly p99: number;
}

export interface Beside {
	readonly audits: readonly Audit[];
	/** Audits that got no answer; why is among the troubles. */
	readonly auditsFailed: number;
	readonly samples: readonly Sample[];
	readonly summaries: Latency;
	/** From a processor's answer to the ledger's commit, as the relay told it now and then; empty where it does not. */
	readonly commits: readonly CommitLatency[];
	/** Requests beside the load that failed, in words. */
	readonly troubles: readonly string[];
}

const troublesMax = 20;
const commitsEveryMs = 10_000;

/** Runs until the signal aborts; then resolves when what was begun has ended. */
export async function runBeside(
	target: Target,
	plan: BesidePlan,
	meter: Meter,
	live: Live,
	signal: AbortSignal,
): Promise<Beside> {
	const startedMs = performance.now();
	const startedWallMs = Date.now();
	const elapsedMs = (): number => performance.now() - startedMs;
	const audits: Audit[] = [];
	let auditsBegun = 0;
	const samples: Sample[] = [];
	const summaries = createLatencies();
	const commits: CommitLatency[] = [];
	const troubles: string[] = [];
	const random = createRandom(1);
	const begun = new Set<Promise<void>>();

	const attempt = (task: () => Promise<void>): Promise<void> => {
		const run = task()
			.catch((error: unknown) => {
				if (troubles.length < troublesMax) troubles.push(`${Math.round(elapsedMs())} ms: ${tell(error)}`);
			})
			.finally(() => begun.delete(run));
		begun.add(run);
		return run;
	};

	async function stages(): Promise<void> {
		for (const stage of plan.timetable) {
			if (!(await wait(stage.atMs - elapsedMs(), signal))) return;
			await attempt(async () => {
				await Promise.all([
					target.processors.default.set(stage.default),
					target.processors.fallback.set(stage.fallback),
				]);
			});
		}
	}

	async function auditing({ everyMs, lagMs, spanMs, graceMs }: AuditPlan): Promise<void> {
		for (let n = 1; await wait(n * everyMs - elapsedMs(), signal); n++) {
			const window = auditWindow(Date.now(), lagMs, spanMs);
			const atMs = elapsedMs();
			attempt(async () => {
				auditsBegun++;
				audits.push(await audit(target, window, atMs, graceMs, systemClock.sleep));
			});
		}
	}

	async function summarizing(everyMs: number): Promise<void> {
		for (let n = 1; await wait(n * everyMs - elapsedMs(), signal); n++) {
			const [a, b] = [random(), random()].map((part) => startedWallMs + part * elapsedMs()) as [number, number];
			attempt(async () => {
				const askedMs = performance.now();
				await target.relay.books(windowOf(Math.min(a, b), Math.max(a, b)));
				summaries.record(performance.now() - askedMs);
			});
		}
	}

	async function readCommits(): Promise<void> {
		const metrics = await target.relay.metrics();
		const p50 = mostOf(metrics, "0.5");
		const p99 = mostOf(metrics, "0.99");
		if (p50 !== undefined && p99 !== undefined) commits.push({ p50: p50 * 1000, p99: p99 * 1000 });
	}

	async function readingCommits(): Promise<void> {
		for (let n = 1; await wait(n * commitsEveryMs - elapsedMs(), signal); n++) await attempt(readCommits);
		await attempt(readCommits);
	}

	async function sampling(): Promise<void> {
		for (let second = 1; await wait(second * 1000 - elapsedMs(), signal); second++) await attempt(takeSample);
		await takeSample().catch((error: unknown) => void troubles.push(tell(error)));
	}

	async function takeSample(): Promise<void> {
		const counts = meter.counts();
		const interval = meter.interval();
		const atS = Math.round(elapsedMs()) / 1000;
		const processes = target.sampler?.sample() ?? [];
		const [atDefault, atFallback] = await Promise.all([
			target.processors.default.figures(),
			target.processors.fallback.figures(),
		]);
		const charged = atDefault && atFallback && atDefault.stored + atFallback.stored;
		const lag = charged === undefined ? undefined : Math.max(counts.accepted - charged, 0);
		const rss = Object.fromEntries(rssByName(processes));
		samples.push({
			atS,
			...interval,
			rss,
			...(charged !== undefined && { charged }),
			...(lag !== undefined && { lag }),
		});
		const { p50, p99 } = interval.latency;
		live.update({
			elapsedS: atS,
			sent: counts.sent,
			accepted: counts.accepted,
			failed: failures(counts),
			p50,
			p99,
			lag,
		});
	}

	const loops = [stages(), sampling(), readingCommits()];
	if (plan.audits) loops.push(auditing(plan.audits));
	if (plan.summariesPerSecond > 0) loops.push(summarizing(1000 / plan.summariesPerSecond));
	await Promise.all(loops);
	await Promise.all(begun);
	return { audits, auditsFailed: auditsBegun - audits.length, samples, summaries: summaries.read(), commits, troubles };
}

/** Of all consumers. */
function mostOf(metrics: ReadonlyMap<string, number>, quantile: string): number | undefined {
	const name = "payrelay_consumer_answer_to_commit_seconds";
	const found = [...metrics].filter(([key]) => key.startsWith(name) && key.includes(`quantile="${quantile}"`));
	return found.length === 0 ? undefined : Math.max(...found.map(([, seconds]) => seconds));
}

/** False, at once, when the signal aborts. */
export function wait(ms: number, signal: AbortSignal): Promise<boolean> {
	return new Promise((resolve) => {
		if (signal.aborted) return resolve(false);
		const abort = (): void => {
			clearTimeout(timer);
			resolve(false);
		};
		const timer = setTimeout(
			() => {
				signal.removeEventListener("abort", abort);
				resolve(true);
			},
			Math.max(ms, 0),
		);
		signal.addEventListener("abort", abort, { once: true });
	});
}

function tell(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
