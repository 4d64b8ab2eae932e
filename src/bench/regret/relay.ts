// The relay in simulated time: its own board, dispatch, route, limiter, breaker, latencies and retry budget decide, event
// by event, where each payment of a case goes; the queue, the gateway and the workers around them are stood in for.
//
// Left out, because no case reaches it: a charge never outlasts its deadline (delays end at 5 s, the shortest deadline is
// 6 s), so no payment is in doubt; and one consumer is as many as there are slots for.
import { createBoard } from "../../consumer/board.ts";
import { chargeDeadlineMs } from "../../consumer/deadline.ts";
import { createDispatch } from "../../consumer/dispatch.ts";
import { type Hand, newHand } from "../../consumer/hands.ts";
import { observe } from "../../consumer/observe.ts";
import { unpaced } from "../../consumer/pace.ts";
import type { ChargeAnswer } from "../../consumer/ports.ts";
import { createRetryBudget } from "../../consumer/retry-budget.ts";
import type { RouteSettings } from "../../consumer/route.ts";
import { type ConsumerSettings, consumerDefaults } from "../../consumer/settings.ts";
import { createFifo } from "../../fifo.ts";
import { type Processor, processors } from "../../payment/payment.ts";
import { createRandom } from "../random.ts";
import type { Case } from "./case.ts";
import { createSite, emptyTally, type Tally } from "./site.ts";
import { createSimulatedTime } from "./time.ts";

/** From an accept to the consumer, and from a pin, a settle or a release to its commit, ms: as measured at 500/s. */
const queueMs = 3;
/** The deployment pins, settles and releases no faster: 4,800 payments/s drained from a backlog. */
const payoutGapMs = 1 / 4.8;
/** POLL_GAP_MS: health is polled once in so many ms by the whole deployment, each consumer's claim up to the spread later. */
export const pollGapMs = 5_050;
export const pollSpreadMs = 20;
/** IN_FLIGHT_MAX */
const inFlightMax = 512;

/** Where a case is to be run with other settings than the relay's defaults. */
export interface RelaySettings extends Partial<Pick<ConsumerSettings, "limiter" | "breaker" | "budget">> {
	readonly route?: Partial<RouteSettings>;
}

export async function runRelay(one: Case, settings: RelaySettings = {}): Promise<Tally> {
	const time = createSimulatedTime();
	const { clock } = time;
	const tally = emptyTally();
	const random = createRandom(one.seed);
	const used = { ...consumerDefaults, ...settings };
	const { workersMax, creditMax, retryCreditMax, limiter, breaker, deadline } = used;
	const route = { ...consumerDefaults.route, fees: one.fees, ...settings.route };
	const board = createBoard({ limiter, breaker, clock, random });
	const budget = createRetryBudget(used.budget, clock);
	const sites = {
		default: createSite("default", one, time, tally),
		fallback: createSite("fallback", one, time, tally),
	};
	/** What is not in hand: when payments without an attempt were accepted, and the others. */
	const queued = createFifo<number>();
	const queuedRetries = createFifo<Tried>();
	let accepted = 0;
	let inHand = 0;
	let retriesInHand = 0;
	let working = 0;
	let freeAtMs = 0;

	const dispatch = createDispatch({
		board,
		budget,
		route,
		pace: unpaced,
		clock,
		laneMax: 0,
		free: (lane) => (lane === "fresh" ? workersMax - working : 0),
		start: (hand, processor, _, done) => start(hand, processor, done),
		giveBack: () => {
			throw new Error("nothing is in doubt here");
		},
	});
	dispatch.setConnected(true);
	for (const processor of processors) board[processor].limiter.setBound(inFlightMax);

	/** Within the credit; payments that were tried before have a part of it. */
	function deliver(): void {
		while (inHand < creditMax && retriesInHand < retryCreditMax && queuedRetries.size > 0) {
			retriesInHand++;
			accept(queuedRetries.shift()!);
		}
		while (inHand < creditMax && queued.size > 0) accept({ attempts: 0, acceptedAtMs: queued.shift()! });
		dispatch.setBacklog(queued.size + queuedRetries.size);
	}

	function accept({ attempts, acceptedAtMs }: Tried): void {
		inHand++;
		dispatch.accept([makeHand(String(++accepted), attempts, acceptedAtMs, time.nowMs())]);
	}

	function start(hand: Hand, processor: Processor, done: () => void): void {
		working++;
		freeAtMs = Math.max(freeAtMs + payoutGapMs, time.nowMs());
		time.at(freeAtMs + queueMs, () => {
			if (hand.job.attempts === 0) budget.earn();
			sites[processor].post((charged, tookMs) => answered(hand, processor, charged, tookMs, done));
		});
	}

	function answered(hand: Hand, processor: Processor, charged: boolean, tookMs: number, done: () => void): void {
		const { latencies, announcedMs } = board[processor];
		if (tookMs > chargeDeadlineMs(announcedMs, latencies.quantile(0.99), deadline))
			throw new Error("a charge outlasted its deadline");
		const answer: ChargeAnswer = charged ? { kind: "charged" } : { kind: "not_charged", why: "failing" };
		observe(board[processor], answer, tookMs, hand.job.id);
		time.at(time.nowMs() + queueMs, () => {
			working--;
			inHand--;
			if (hand.job.attempts > 0) retriesInHand--;
			done();
			if (!charged) queuedRetries.push({ attempts: hand.job.attempts + 1, acceptedAtMs: hand.acceptedAtMs });
			deliver();
		});
	}

	function poll(processor: Processor): void {
		const { failing, delayMs } = sites[processor].health();
		board[processor].tell({ reachable: true, failing, minResponseMs: delayMs }, 0);
		dispatch.changed();
		time.at(time.nowMs() + pollGapMs + random() * pollSpreadMs, () => poll(processor));
	}

	for (const processor of processors) poll(processor);
	feed(one.arrivals, time.at, () => {
		queued.push(time.nowMs());
		deliver();
	});
	await time.runSettling(one.endMs);
	return tally;
}

/** Each arrival sets the next, so that the heap holds one of them. */
export function feed(arrivals: Float64Array, at: (ms: number, task: () => void) => void, arrive: () => void): void {
	let next = 0;
	const step = (): void => {
		arrive();
		if (++next < arrivals.length) at(arrivals[next]!, step);
	};
	if (arrivals.length > 0) at(arrivals[0]!, step);
}

interface Tried {
	readonly attempts: number;
	readonly acceptedAtMs: number;
}

function makeHand(id: string, attempts: number, acceptedAtMs: number, arrivedAtMs: number): Hand {
	const job = { id, amountCents: 1990n, token: 0n, epoch: 0n, attempts, waitedMs: arrivedAtMs - acceptedAtMs };
	return newHand(job, arrivedAtMs, Number.POSITIVE_INFINITY);
}
