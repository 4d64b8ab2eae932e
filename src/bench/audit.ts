// An audit in the middle of a run: processors, relay, processors, for a window that has ended some time ago.
//
// The relay must lie between the processors' two readings, and equal them where they agree. Between the first reading
// and the relay's lies a short grace: what a processor charges right before it is read, the relay can only know once the
// answer has reached it and is in its books. Beside that the plain differences of readings taken at the same moment are
// counted, as the public script does.
import { formatCents } from "../payment/amount.ts";
import { type Processor, processors } from "../payment/payment.ts";
import { type Books, sameTotals, type Totals } from "./books.ts";
import type { ProcessorClient } from "./processor-client.ts";
import type { RelayClient } from "./relay-client.ts";
import { type Window, windowOf } from "./window.ts";

/** Whom an audit asks. */
export interface Audited {
	readonly relay: Pick<RelayClient, "books">;
	readonly processors: Readonly<Record<Processor, Pick<ProcessorClient, "totals">>>;
}

export interface Readings {
	/** The processors first, and the relay at the same moment. */
	readonly before: Books;
	readonly atOnce: Books;
	/** The relay after the grace, and the processors again. */
	readonly relay: Books;
	readonly after: Books;
}

export interface Audit {
	/** From the start of the load. */
	readonly atMs: number;
	readonly window: Window;
	/** Differences of what was read at the same moment, both processors together, as the public script counts them. */
	readonly plainCount: number;
	readonly plainCents: bigint;
	/** What broke the rule, in words; empty where nothing did. */
	readonly violations: readonly string[];
	/** After a violation: how long until the books agreed; `undefined` where they did not within the bound. */
	readonly agreedAfterMs?: number | undefined;
}

const agreeMaxMs = 5_000;
const agreePauseMs = 50;

/** Of a run, payments. */
export function differencesOf(audits: readonly Audit[]): number {
	return audits.reduce((sum, { plainCount }) => sum + plainCount, 0);
}

export function judge({
	before,
	atOnce,
	relay,
	after,
}: Readings): Pick<Audit, "plainCount" | "plainCents" | "violations"> {
	const violations: string[] = [];
	let plainCount = 0;
	let plainCents = 0n;
	for (const one of processors) {
		plainCount += Math.abs(before[one].count - atOnce[one].count);
		const cents = before[one].cents - atOnce[one].cents;
		plainCents += cents < 0n ? -cents : cents;
		for (const reading of [atOnce[one], relay[one]])
			if (reading.inexact !== undefined)
				violations.push(`${one}: the relay's total is no whole number of cents: ${reading.inexact}`);
		if (!between(before[one], relay[one], after[one]))
			violations.push(
				`${one}: ${tell(relay[one])} at the relay, ${tell(before[one])} to ${tell(after[one])} at the processor`,
			);
	}
	return { plainCount, plainCents, violations };
}

function between(low: Totals, middle: Totals, high: Totals): boolean {
	const inOrder =
		low.count <= middle.count && middle.count <= high.count && low.cents <= middle.cents && middle.cents <= high.cents;
	// As many payments with another amount lie between only where the processor moved.
	return inOrder && (!sameTotals(low, high) || sameTotals(low, middle));
}

const tell = ({ count, cents }: Totals): string => `${count} (${formatCents(cents)})`;

/** Reads and judges. `sleep` waits out the grace. */
export async function audit(
	audited: Audited,
	window: Window,
	atMs: number,
	graceMs: number,
	sleep: (ms: number) => Promise<void>,
): Promise<Audit> {
	const [before, atOnce] = await Promise.all([readProcessors(audited, window), audited.relay.books(window)]);
	await sleep(graceMs);
	const relay = await audited.relay.books(window);
	const after = await readProcessors(audited, window);
	const judged = { atMs, window, ...judge({ before, atOnce, relay, after }) };
	return judged.violations.length === 0
		? judged
		: { ...judged, agreedAfterMs: await agreement(audited, window, sleep) };
}

export async function readProcessors(audited: Audited, window?: Window): Promise<Books> {
	const [atDefault, atFallback] = await Promise.all([
		audited.processors.default.totals(window),
		audited.processors.fallback.totals(window),
	]);
	return { default: atDefault, fallback: atFallback };
}

/** The window's bounds, `lagMs` before now and `spanMs` long. */
export function auditWindow(nowMs: number, lagMs: number, spanMs: number): Window {
	return windowOf(nowMs - lagMs - spanMs, nowMs - lagMs);
}

async function agreement(
	audited: Audited,
	window: Window,
	sleep: (ms: number) => Promise<void>,
): Promise<number | undefined> {
	const startedMs = performance.now();
	while (performance.now() - startedMs < agreeMaxMs) {
		const before = await readProcessors(audited, window);
		const relay = await audited.relay.books(window);
		const after = await readProcessors(audited, window);
		if (judge({ before, atOnce: relay, relay, after }).violations.length === 0) return performance.now() - startedMs;
		await sleep(agreePauseMs);
	}
	return undefined;
}
