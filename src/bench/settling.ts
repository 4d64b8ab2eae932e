// After a load: waits until everything accepted is in the books, and compares these with the processors', window by window.
import { parseInstant } from "../payment/instant.ts";
import { type Processor, processors } from "../payment/payment.ts";
import { type Audited, readProcessors } from "./audit.ts";
import { wait } from "./beside.ts";
import { type Books, countOf, describeTotals, sameBooks, sameTotals } from "./books.ts";
import type { Random } from "./random.ts";
import type { Target } from "./target.ts";
import { well } from "./timetable.ts";
import { type Window, windowOf } from "./window.ts";

const pollMs = 100;
/** Where a post got no clear answer its payment may still come: the books must rest for so long. */
const restMs = 2_000;

export interface Drained {
	readonly drained: boolean;
	readonly tookMs: number;
}

/** Both processors charge at once from here on. */
export async function makeWell(target: Target): Promise<void> {
	await Promise.all(processors.map((one) => target.processors[one].set(well)));
}

/** `unclear`: how many posts got no clear answer. */
export async function waitUntilDrained(
	target: Target,
	accepted: number,
	unclear: number,
	maxMs: number,
	signal: AbortSignal,
): Promise<Drained> {
	const startedMs = performance.now();
	const elapsedMs = (): number => performance.now() - startedMs;
	let agreed: { readonly books: Books; readonly sinceMs: number } | undefined;
	for (;;) {
		// A relay that is just being started again does not answer, and is waited for like one that is busy.
		const relay = await target.relay.books().catch(() => undefined);
		const agree = relay && countOf(relay) >= accepted && sameBooks(relay, await readProcessors(target));
		if (!agree) agreed = undefined;
		else if (!agreed || !sameBooks(agreed.books, relay)) agreed = { books: relay, sinceMs: elapsedMs() };
		if (agreed && (unclear === 0 || elapsedMs() - agreed.sinceMs >= restMs))
			return { drained: true, tookMs: agreed.sinceMs };
		if (elapsedMs() >= maxMs || !(await wait(pollMs, signal))) return { drained: false, tookMs: elapsedMs() };
	}
}

/** Differences between relay and processors in a window (everything without one), in words. */
export async function compareBooks(audited: Audited, window?: Window): Promise<string[]> {
	const before = await readProcessors(audited, window);
	const relay = await audited.relay.books(window);
	const after = await readProcessors(audited, window);
	const where = window ? `from ${window.from} to ${window.to}` : "in all";
	return processors.flatMap((one: Processor) => {
		const inexact = relay[one].inexact;
		const problems = inexact === undefined ? [] : [`${one}, ${where}: no whole number of cents: ${inexact}`];
		if (sameTotals(before[one], after[one]) && !sameTotals(before[one], relay[one]))
			problems.push(
				`${one}, ${where}: ${describeTotals(relay[one])} at the relay, ${describeTotals(before[one])} at the processor`,
			);
		return problems;
	});
}

/**
 * Windows to compare: some between random moments of the run (wall clock, ms), and some that begin and end exactly at
 * moments that processors recorded, because both ends are inclusive.
 */
export function randomWindows(
	count: number,
	fromMs: number,
	toMs: number,
	moments: readonly string[],
	random: Random,
): Window[] {
	const exact = moments.map((text) => (/(?:Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`));
	return Array.from({ length: count }, (_, n) => {
		if (n % 2 === 0 && exact.length > 0) {
			const pick = (): string => exact[Math.floor(random() * exact.length)] as string;
			const [a, b] = [pick(), pick()];
			return (parseInstant(a) ?? 0) <= (parseInstant(b) ?? 0) ? { from: a, to: b } : { from: b, to: a };
		}
		const [a, b] = [fromMs + random() * (toMs - fromMs), fromMs + random() * (toMs - fromMs)];
		return windowOf(Math.min(a, b), Math.max(a, b));
	});
}
