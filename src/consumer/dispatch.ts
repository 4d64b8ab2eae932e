// The dispatcher: gives jobs to workers as soon as there is a slot at a processor that will do. What waits is not pinned.
//
// Payments that had an attempt before wait for the retry budget, unless their processor does well, without holding up
// those that had none. Payments in doubt have a lane, slots and workers of their own at each processor, so that a dead
// one holds up nobody; what does not fit in its lane is given back at once. It looks for work when something has
// changed, or at the time that the route named.
import type { Clock } from "../clock.ts";
import { createFifo, type Fifo } from "../fifo.ts";
import { type Processor, processors } from "../payment/payment.ts";
import { type Board, each } from "./board.ts";
import type { Hand } from "./hands.ts";
import type { Pace } from "./pace.ts";
import type { RetryBudget } from "./retry-budget.ts";
import { type Choice, chooseProcessor, type Knowledge, type ProcessorKnowledge, type RouteSettings } from "./route.ts";

export interface DispatchOptions {
	readonly board: Board;
	readonly budget: RetryBudget;
	readonly route: RouteSettings;
	/** Of payments without a pin; those in doubt are few. */
	readonly pace: Pace;
	readonly clock: Clock;
	readonly choose?: (knowledge: Knowledge, settings: RouteSettings) => Choice;
	/** Payments in doubt that may wait in the lane of one processor, beyond those that its workers are free for. */
	readonly laneMax: number;
	/** Workers that are free for payments without a pin, and for payments in doubt at a processor. */
	readonly free: (lane: Processor | "fresh") => number;
	/** Has the job worked on; `done` is called once, when its worker is free again. */
	readonly start: (hand: Hand, processor: Processor, lane: Processor | "fresh", done: () => void) => void;
	/** Gives a job back that nobody has worked on. */
	readonly giveBack: (hand: Hand) => void;
}

export interface Dispatch {
	accept(hands: readonly Hand[]): void;
	/** Payments that are still to come from the queue: they wait as those here do. */
	setBacklog(payments: number): void;
	/** Something is known that was not: a health answer, a bound. */
	changed(): void;
	/** While the queue is away nothing can be pinned, so nothing is started. */
	setConnected(connected: boolean): void;
	/** Payments that wait for a slot. */
	readonly waiting: number;
	/** Starts nothing more; returns what has waited. */
	close(): Hand[];
}

export function createDispatch(options: DispatchOptions): Dispatch {
	const { board, budget, route, pace, clock, choose = chooseProcessor, laneMax, free, start, giveBack } = options;
	const firsts = createFifo<Hand>();
	const retries = createFifo<Hand>();
	const lanes = each(() => createFifo<Hand>());
	let backlog = 0;
	let connected = false;
	let closed = false;
	let scheduled = false;
	let timer: { readonly atMs: number; readonly cancel: () => void } | undefined;

	/** At the end of this turn, so that jobs that end together are followed together. */
	function changed(): void {
		if (scheduled || closed) return;
		scheduled = true;
		queueMicrotask(() => {
			scheduled = false;
			look();
		});
	}

	function lookIn(ms: number): void {
		const atMs = clock.monotonic() + ms;
		if (timer && timer.atMs <= atMs) return;
		timer?.cancel();
		const cancel = clock.after(ms, () => {
			timer = undefined;
			look();
		});
		timer = { atMs, cancel };
	}

	function look(): void {
		if (closed || !connected) return;
		for (const processor of processors) pursue(processor);
		const paced = startUnpinned();
		const noWorker = free("fresh") === 0;
		// What waits for the pace is no queue at a processor.
		const queued = waitingInAll() > 0 && (!paced || noWorker);
		for (const processor of processors) board[processor].setQueued(queued, noWorker);
	}

	/**
	 * Starts payments without a pin while there are workers for them, and sees to it that the rest is looked at again. True
	 * where the pace is what held it up.
	 */
	function startUnpinned(): boolean {
		const nowMs = clock.monotonic();
		/** Read once in this look, and again of a processor once something is sent there. */
		let known: ProcessorKnowledge[] | undefined;
		let retriesWait = false;
		let paced = false;
		while (free("fresh") > 0) {
			retriesWait ||= retries.size > 0 && !processors.some(mayRetry);
			const line = nextLine(retriesWait);
			const hand = line?.peek();
			if (!line || !hand) break;
			known ??= processors.map((processor) => board[processor].knowledge(nowMs));
			const waitedMs = nowMs - hand.acceptedAtMs;
			const choice = choose({ processors: known, waiting: waitingInAll(), waitedMs }, route);
			if ("wait" in choice) {
				lookIn(Math.min(choice.forMs, pausedMs()));
				break;
			}
			if (line === retries && !spendOn(hand, choice.processor)) {
				retriesWait = true;
				continue;
			}
			if (!pace.take()) {
				if (line === retries) budget.refund(hand.freeRetry);
				paced = true;
				lookIn(pace.nextMs);
				break;
			}
			line.shift();
			send(hand, choice.processor, choice.probe);
			known[processors.indexOf(choice.processor)] = board[choice.processor].knowledge(nowMs);
		}
		if (retriesWait && firsts.size === 0 && retries.size > 0) lookIn(budget.nextMs());
		return paced;
	}

	const waiting = (): number => firsts.size + retries.size;
	/** Here, and at the queue. */
	const waitingInAll = (): number => waiting() + backlog;

	/** Until the first processor that has no slot only for the deployment's bound may have one again. */
	function pausedMs(): number {
		const until = processors.map((processor) => board[processor].limiter.pausedUntilMs()).filter((ms) => ms > 0);
		return Math.max(0, Math.min(...until) - clock.monotonic());
	}

	function mayRetry(processor: Processor): boolean {
		return board[processor].breaker.well || budget.available;
	}

	/** Decides alone whether the retry is made: what `mayRetry` said may be otherwise by now, as time passes. */
	function spendOn(hand: Hand, processor: Processor): boolean {
		hand.freeRetry = board[processor].breaker.well;
		return budget.spend(hand.freeRetry);
	}

	/** Whoever came first, as far as retries are possible. */
	function nextLine(retriesWait: boolean): Fifo<Hand> | undefined {
		const first = head(firsts);
		const retry = retriesWait ? undefined : head(retries);
		if (!retry) return first && firsts;
		return first && first.arrivedAtMs < retry.arrivedAtMs ? firsts : retries;
	}

	function send(hand: Hand, processor: Processor, probe: boolean): void {
		const { limiter, breaker } = board[processor];
		if (!limiter.take("fresh")) throw new Error(`no slot is free at ${processor}, and it was chosen`);
		if (probe) {
			breaker.probe(hand.job.id);
			hand.probing = true;
		}
		start(hand, processor, "fresh", () => ended(hand, processor, "fresh"));
	}

	function ended(hand: Hand, processor: Processor, kind: "fresh" | "pursuit"): void {
		const { limiter, breaker } = board[processor];
		limiter.giveBack(kind);
		// Where its answer said nothing, or none was asked for, somebody else has to find out.
		if (hand.probing) breaker.probeEnded(hand.job.id);
		changed();
	}

	function pursue(processor: Processor): void {
		const { limiter } = board[processor];
		const lane = lanes[processor];
		while (free(processor) > 0 && head(lane) && limiter.take("pursuit")) {
			const hand = lane.shift() as Hand;
			start(hand, processor, processor, () => ended(hand, processor, "pursuit"));
		}
		if (lane.size > 0 && limiter.freeForPursuits === 0 && limiter.pausedUntilMs() > 0)
			lookIn(limiter.pausedUntilMs() - clock.monotonic());
	}

	/** The first one whose lease is not known to be gone. */
	function head(line: Fifo<Hand>): Hand | undefined {
		while (line.peek()?.lost) line.shift();
		return line.peek();
	}

	return {
		accept(hands) {
			for (const hand of hands) {
				const { pin, attempts } = hand.job;
				if (!pin) (attempts > 0 ? retries : firsts).push(hand);
				else if (lanes[pin.processor].size < laneMax + free(pin.processor)) lanes[pin.processor].push(hand);
				else giveBack(hand);
			}
			changed();
		},
		setBacklog(payments) {
			backlog = payments;
		},
		changed,
		setConnected(now) {
			connected = now;
			if (now) changed();
			else for (const processor of processors) board[processor].setQueued(false, false);
		},
		get waiting() {
			return waiting();
		},
		close() {
			closed = true;
			timer?.cancel();
			const waited = [firsts, retries, ...Object.values(lanes)].flatMap((line) => line.clear());
			return waited.filter((hand) => !hand.lost);
		},
	};
}
