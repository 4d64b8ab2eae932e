// The consumer service: takes payments from the queue, charges each at one processor, and tells the books.
//
// It keeps nothing that must survive: what it holds is under leases, and what it knows of an attempt is on disk at the
// queue before the attempt and after it.
import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";
import type { Processor } from "../payment/payment.ts";
import { oneProcessorsPart } from "../rpc/pursuit-credit.ts";
import { createBoard, each } from "./board.ts";
import { chargeDeadlineMs, withDeadline } from "./deadline.ts";
import { createDispatch } from "./dispatch.ts";
import { type ConsumerFigures, noEnds, readFigures } from "./figures.ts";
import { createGiveBack } from "./give-back.ts";
import { createHands, type Hand } from "./hands.ts";
import { type HealthClient, watchHealth } from "./health.ts";
import { createLatencies } from "./latency.ts";
import { observeDuplicate, withBoard } from "./observe.ts";
import type { Pace } from "./pace.ts";
import { createPool, type Finish } from "./pool.ts";
import type { Gateway, Queue } from "./ports.ts";
import { type ReportClient, report } from "./report.ts";
import { createRetryBudget } from "./retry-budget.ts";
import { fitness } from "./route.ts";
import type { ConsumerSettings } from "./settings.ts";
import { createJobStream, type StreamClient } from "./stream.ts";
import { type WorkPorts, work } from "./work.ts";

export interface ConsumerOptions {
	readonly stream: StreamClient;
	readonly health: HealthClient;
	readonly reports: ReportClient;
	readonly queue: Queue;
	readonly gateway: Gateway;
	/** One for the life of the process, never used before. */
	readonly session: string;
	readonly clock: Clock;
	readonly pace: Pace;
	readonly random: () => number;
	readonly settings: ConsumerSettings;
	readonly log: Pick<Logger, "info" | "warn" | "error">;
}

export interface Consumer {
	/** Takes no more jobs, gives back what waits, lets what is in flight end and settle; what has not after `boundMs` is aborted. */
	close(boundMs: number): Promise<void>;
	figures(): ConsumerFigures;
}

/** Latencies from answer to commit are looked at over the last one to two of these, ms. */
const commitWindowMs = 10_000;

/** Starts at once. */
export function createConsumer(options: ConsumerOptions): Consumer {
	const { queue, clock, random, settings, log } = options;
	const { deadline } = settings;
	/** As many again as are at work: a worker that gets free has the next one. */
	const pursuitLaneMax = settings.pursuitWorkersMax;
	const board = createBoard({ ...settings, clock, random });
	const budget = createRetryBudget(settings.budget, clock);
	const hands = createHands(clock);
	const commits = createLatencies(clock, commitWindowMs);
	const ends = noEnds();
	/** Ends the taking of jobs and the watching of health. */
	const taking = new AbortController();
	/** Ends the renewal of leases. */
	const holding = new AbortController();

	const onError = (error: unknown): void => log.error({ err: error }, "a mistake in the program");
	const poolOptions = { graceMs: settings.graceMs, clock, onError };
	const pools = {
		fresh: createPool({ ...poolOptions, workersMax: settings.workersMax }),
		...each(() => createPool({ ...poolOptions, workersMax: settings.pursuitWorkersMax })),
	};

	const chargeMs = (processor: Processor): number => {
		const { announcedMs, latencies } = board[processor];
		return chargeDeadlineMs(announcedMs, latencies.quantile(0.99), deadline);
	};
	const bounded = withDeadline(options.gateway, chargeMs, deadline, clock);
	const gateway = withBoard(bounded, board, clock);

	const ports: WorkPorts = {
		queue,
		gateway,
		hands,
		clock,
		random,
		pause: settings.repeat,
		mayRepeat(hand, processor) {
			const { breaker, knowledge } = board[processor];
			const fit = fitness(knowledge(clock.monotonic()), settings.route);
			hand.freeRetry = breaker.well;
			if (fit === "unfit" || !budget.spend(hand.freeRetry)) return false;
			if (fit === "probe") {
				breaker.probe(hand.job.id);
				hand.probing = true;
			}
			return true;
		},
		watch: {
			pinned(hand, processor, outcome) {
				const { pin, attempts } = hand.job;
				// One in doubt may have been sent before a purge forgot its attempts: its POST was paid for as a retry.
				const isRetry = pin !== undefined || attempts > 0;
				if (outcome === "no_slot") board[processor].limiter.noSlot();
				if (outcome !== "pinned") {
					if (isRetry) budget.refund(hand.freeRetry);
				} else if (isRetry) budget.retried();
				else budget.earn();
			},
			duplicate: (hand, processor, shown) => observeDuplicate(board[processor], shown, hand.job.id),
			settled: (_, ms) => commits.add(ms),
		},
	};

	const giveBack = createGiveBack({
		queue,
		hands,
		clock,
		random,
		pause: settings.repeat,
		eachMaxMs: settings.giveBackMs,
		onError,
	});

	function start(hand: Hand, processor: Processor, lane: Processor | "fresh", done: () => void): void {
		hand.abort = pools[lane].submit({
			id: hand.job.id,
			deadlineMs: deadline.chargeMaxMs + settings.queueCallsMs,
			run: (signal) =>
				work(hand, processor, ports, signal).then((end) => {
					// One that was abandoned is counted as that.
					if (hand.abort) ends[end]++;
					if (end === "refused")
						log.error({ id: hand.job.id, processor }, "charged, but the books say elsewhere: somebody must look");
				}),
			onFinish(finish) {
				hand.abort = undefined;
				done();
				finished(hand, finish);
			},
		});
	}

	function finished(hand: Hand, finish: Finish): void {
		if (finish.how === "done") {
			hands.drop(hand);
			return;
		}
		ends[finish.how]++;
		log.error({ id: hand.job.id, ...finish }, "a job did not end as it should; it is given back");
		giveBack.add(hand);
	}

	const dispatch = createDispatch({
		board,
		budget,
		route: settings.route,
		pace: options.pace,
		clock,
		laneMax: pursuitLaneMax,
		free: (lane) => pools[lane].free,
		start,
		giveBack: giveBack.add,
	});

	const stream = createJobStream({
		client: options.stream,
		session: options.session,
		credit: settings.creditMax,
		retryCredit: settings.retryCreditMax,
		// What may be given out for one processor has room in its lane and at its workers, and leaves some for the other's.
		pursuitCredit: Math.floor((pursuitLaneMax + settings.pursuitWorkersMax) / oneProcessorsPart),
		hands,
		clock,
		random,
		log,
		reconnect: settings.reconnect,
		onBacklog: dispatch.setBacklog,
		onJobs(arrived) {
			if (taking.signal.aborted) for (const hand of arrived) giveBack.add(hand);
			else dispatch.accept(arrived);
		},
		onLost(lost) {
			const missed = lost.filter((hand) => !hand.ending).length;
			if (missed > 0) log.warn({ leases: missed }, "leases were lost");
			// What a worker has ends there.
			for (const hand of lost) if (!hand.abort) hands.drop(hand);
			dispatch.changed();
		},
		onStray(strays) {
			for (const hand of strays) giveBack.add(hand);
		},
		onConnected(now, inFlightMax) {
			if (now) for (const { limiter } of Object.values(board)) limiter.setBound(inFlightMax);
			dispatch.setConnected(now);
		},
		onError,
	});

	const watching = watchHealth(
		{
			client: options.health,
			gateway,
			clock,
			random,
			pause: settings.healthPause,
			onHealth(processor, answer, ageMs) {
				board[processor].tell(answer, ageMs);
				dispatch.changed();
			},
			onError,
		},
		taking.signal,
	);
	const streaming = stream.run(taking.signal);
	const renewing = stream.renew(holding.signal);
	const figures = (): ConsumerFigures =>
		readFigures({ inHand: hands.size, waiting: dispatch.waiting, board, budget, ends, commits });
	const reporting = report(
		{ client: options.reports, session: options.session, clock, figures, onError },
		holding.signal,
	);

	return {
		async close(boundMs) {
			taking.abort(new Error("the consumer stops"));
			for (const hand of dispatch.close()) giveBack.add(hand);
			const cancel = clock.after(boundMs, giveBack.cut);
			await Promise.all([streaming, watching, ...Object.values(pools).map((pool) => pool.drain(boundMs))]);
			await giveBack.ended();
			cancel();
			holding.abort(new Error("the consumer stops"));
			await Promise.all([renewing, reporting]);
		},
		figures,
	};
}
