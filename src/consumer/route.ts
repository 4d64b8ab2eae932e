// Which processor the next payment goes to: a pure function of what is known, so that a policy can be judged apart from
// the relay.
//
// The cheapest processor that charges, unless a payment would be charged there later than elsewhere by more than the
// operator's patience, or by more than the fee that it saves is worth: then the next cheapest. The time expected at a
// processor is what a charge takes there, and before that what it takes until a slot is free, or until it charges again
// at all. Nobody knows how long an outage will last; the guess is: as long again as it has lasted. While no processor
// will do, the answer is when to ask again.
import type { Processor } from "../payment/payment.ts";
import type { BreakerState } from "./breaker.ts";

/** What is known of one processor. All times in ms; ages and durations, never dates. */
export interface ProcessorKnowledge {
	readonly processor: Processor;
	/** Its last health answer, if it gave one. */
	readonly health?: { readonly failing: boolean; readonly minResponseMs: number; readonly ageMs: number } | undefined;
	/** Its charges of late: their mean, and how long ago the last one was answered (infinite before the first). */
	readonly measured: { readonly meanMs: number; readonly ageMs: number };
	readonly breaker: BreakerState;
	/** Open only: until a single payment may try it; 0 or less when that is now. */
	readonly probeInMs: number;
	/** For how long it has been known not to charge; 0 where it does. */
	readonly downForMs: number;
	/** For how long payments have waited for a slot there, or a worker, less the time between when none did, ms. */
	readonly behindForMs: number;
	readonly freeSlots: number;
	/** How many charges may be open towards it. */
	readonly slotsMax: number;
}

export interface Knowledge {
	readonly processors: readonly ProcessorKnowledge[];
	/** Payments that wait for a slot, this one and those that are still to come from the queue too. */
	readonly waiting: number;
	/** How long this one has waited, since it was accepted. */
	readonly waitedMs: number;
}

export interface RouteSettings {
	/** What each processor takes of an amount. */
	readonly fees: Readonly<Record<Processor, number>>;
	/** How much later than at a dearer processor a payment may be charged at a cheaper one, ms, whatever that saves. */
	readonly patienceMs: number;
	/**
	 * How much later it may be charged to save its whole amount in fees, ms; a part of it is worth as much less, beyond
	 * `savingMin`. What waits may never be charged, where the other processor fails meanwhile too: the whole amount is staked
	 * for a part of it.
	 */
	readonly wholeAmountWaitMs: number;
	/** Saving this part of an amount is worth no stake: who pays it can lose no more. */
	readonly savingMin: number;
	/** To save anything at all at a processor that charges, and is merely slower, it may be charged so much later, ms. */
	readonly slowerMinMs: number;
	/** One that says that it fails is probed only where it delays by no more than this, ms: its no comes soon, and is a no. */
	readonly failingProbeMaxMs: number;
	/** A health answer that is older says nothing any more, ms: polls come every 5 s. */
	readonly healthMaxAgeMs: number;
	/** A measured latency that is older counts no longer than the health answer, ms. */
	readonly measuredMaxAgeMs: number;
	/** The least time after which it is worth asking again, unless something happens before, ms. */
	readonly recheckMinMs: number;
	/** The longest, ms. */
	readonly recheckMaxMs: number;
}

export const routeDefaults: Omit<RouteSettings, "fees"> = {
	patienceMs: 55_000,
	wholeAmountWaitMs: 1_300_000,
	savingMin: 0.0075,
	slowerMinMs: 3_000,
	failingProbeMaxMs: 2_000,
	healthMaxAgeMs: 12_000,
	measuredMaxAgeMs: 5_000,
	recheckMinMs: 5,
	recheckMaxMs: 500,
};

export type Choice =
	| { readonly processor: Processor; readonly probe: boolean }
	/** No processor will do now; ask again after `forMs`, or when a slot is freed or something new is known. */
	| { readonly wait: true; readonly forMs: number };

export function chooseProcessor(knowledge: Knowledge, settings: RouteSettings): Choice {
	const cheapestFirst = byFee(knowledge.processors, settings);
	let recheckMs = settings.recheckMaxMs;

	let cheapestFit: ProcessorKnowledge | undefined;
	for (const known of cheapestFirst) {
		// What a dearer one would say changes nothing while a cheaper one will do, at once or soon.
		if (cheapestFit && expectedMs(cheapestFit, knowledge, settings) <= patienceFor(known, cheapestFit, settings)) break;
		const fit = fitness(known, settings);
		if (fit === "fit") cheapestFit ??= known;
		if (known.freeSlots === 0) continue;
		if (fit === "probe") return { processor: known.processor, probe: true };
		if (known.breaker === "open" && known.probeInMs > 0) recheckMs = Math.min(recheckMs, known.probeInMs);
	}

	let chosen = cheapestFirst[0];
	if (!chosen) throw new Error("there is no processor to choose from");
	for (const known of cheapestFirst) {
		if (known === chosen || !ready(known, settings)) continue;
		const soonerMs = expectedMs(chosen, knowledge, settings) - expectedMs(known, knowledge, settings);
		if (soonerMs <= 0) continue;
		// What it has waited for the cheaper one counts while that goes on; it is no reason to pay more once that is ready.
		const laterMs = soonerMs + (ready(chosen, settings) ? 0 : waitedForMs(chosen, knowledge, settings));
		const patienceMs = patienceFor(known, chosen, settings);
		if (laterMs > patienceMs) chosen = known;
		// Both the wait and the outage grow as time passes.
		else recheckMs = Math.min(recheckMs, (patienceMs - laterMs) / 2);
	}
	if (ready(chosen, settings)) return { processor: chosen.processor, probe: false };
	return { wait: true, forMs: Math.max(recheckMs, settings.recheckMinMs) };
}

/** As they are, where they come in that order: they do for nearly each payment, and sorting takes a kilobyte. */
function byFee(processors: readonly ProcessorKnowledge[], settings: RouteSettings): readonly ProcessorKnowledge[] {
	for (let i = 1; i < processors.length; i++)
		if (fee(processors[i]!, settings) < fee(processors[i - 1]!, settings))
			return [...processors].sort((a, b) => fee(a, settings) - fee(b, settings));
	return processors;
}

/** How long a charge takes there, ms, as far as is known: as just measured, or else as it says of itself. */
export function serviceMs(known: ProcessorKnowledge, settings: RouteSettings): number {
	const health = freshHealth(known, settings);
	const { meanMs, ageMs } = known.measured;
	if (health && health.ageMs < ageMs) return health.minResponseMs;
	return ageMs <= settings.measuredMaxAgeMs ? meanMs : (health?.minResponseMs ?? 0);
}

/**
 * May a POST go there? `probe`: a single one, to find out. Real money is no probe of a processor that says of itself
 * that it fails and is slow: that one is waited for until it says something else, or nothing for long. One that charges
 * all the same is not found out while it says so.
 */
export function fitness(known: ProcessorKnowledge, settings: RouteSettings): "fit" | "probe" | "unfit" {
	if (known.breaker === "closed") return "fit";
	if (known.breaker !== "open" || known.probeInMs > 0) return "unfit";
	const health = freshHealth(known, settings);
	return health?.failing && health.minResponseMs > settings.failingProbeMaxMs ? "unfit" : "probe";
}

/** Before a processor that charges began to fall behind, the payment did not wait for it. */
function waitedForMs(known: ProcessorKnowledge, { waitedMs }: Knowledge, settings: RouteSettings): number {
	return fitness(known, settings) === "fit" ? Math.min(waitedMs, known.behindForMs) : waitedMs;
}

function ready(known: ProcessorKnowledge, settings: RouteSettings): boolean {
	return known.freeSlots > 0 && fitness(known, settings) === "fit";
}

function expectedMs(known: ProcessorKnowledge, knowledge: Knowledge, settings: RouteSettings): number {
	const takesMs = serviceMs(known, settings);
	const ahead = Math.max(0, knowledge.waiting - known.freeSlots);
	// What it takes as slow as it is now; that, too, is guessed to last as long again as it has.
	const queueMs = Math.min((ahead * Math.max(takesMs, 1)) / Math.max(1, known.slotsMax), known.behindForMs);
	const outageMs = fitness(known, settings) === "fit" ? 0 : Math.max(known.downForMs, 1);
	return outageMs + queueMs + takesMs;
}

/** How much later a payment may be charged at the cheaper one than at the dearer one, ms. */
function patienceFor(dearer: ProcessorKnowledge, cheaper: ProcessorKnowledge, settings: RouteSettings): number {
	const { patienceMs, wholeAmountWaitMs, savingMin, slowerMinMs } = settings;
	const saved = fee(dearer, settings) - fee(cheaper, settings);
	if (saved <= 0) return 0;
	const leastMs = fitness(cheaper, settings) === "fit" ? slowerMinMs : 0;
	return Math.min(patienceMs, Math.max(leastMs, (saved - savingMin) * wholeAmountWaitMs));
}

function freshHealth(known: ProcessorKnowledge, { healthMaxAgeMs }: RouteSettings): ProcessorKnowledge["health"] {
	return known.health && known.health.ageMs <= healthMaxAgeMs ? known.health : undefined;
}

function fee({ processor }: ProcessorKnowledge, { fees }: RouteSettings): number {
	return fees[processor];
}
