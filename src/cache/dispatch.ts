// The dispatcher: pushes jobs to the sessions that are connected, as they become ready, never beyond their credit.
//
// A session's stream takes jobs only while its consumer is ready for the next message, so one that does not read holds
// up nothing and fills no memory. Whoever was served goes to the end of the line. Work is looked for when the store says
// that there may be some, when a lease has ended, when a pursuit falls due, and at every tick.
import { Code, ConnectError } from "@connectrpc/connect";
import { ChurnSet } from "../churn.ts";
import type { Clock } from "../clock.ts";
import { type Processor, processors } from "../payment/payment.ts";
import { oneProcessorsPart } from "../rpc/pursuit-credit.ts";
import type { Holdings } from "./holdings.ts";
import type { Job, Lane, LeaseKey } from "./store/store.ts";

/** Jobs in one message: a few tens of KiB. */
const messageMax = 256;
/** Jobs dealt to one of several waiting sessions before the next one's turn. */
const sliceMax = 16;
/** Connected sessions; far beyond any deployment, and a bound to what a stranger can open. */
const sessionsMax = 1000;
/**
 * Between two messages with fresh jobs, ms. A message, and what its jobs cause later (a commit of pins, one of settles,
 * their answers), costs much the same whatever is in it; and as a rule a shop has its answer before its payment is given out.
 */
const messageGapMs = 25;
/** The shortest wait for a pursuit, ms, so that one that is due but cannot be leased does not spin the process. */
const dueMinMs = 5;

/** The most jobs outstanding: payments without a pin, and payments in doubt or parked. */
export interface Credit {
	readonly fresh: number;
	readonly pursuit: number;
}

export interface SessionRequest {
	readonly session: string;
	readonly credit: Credit;
	/** Of the credit for fresh ones, the most for payments that had an attempt before. */
	readonly retriesMax: number;
	readonly held: readonly LeaseKey[];
}

/**
 * First what was lost of `held`; then jobs, at least one, or none to show that the stream is alive. `backlog`: payments
 * without a pin that nobody was given yet, divided by the sessions that are connected.
 */
export type Delivery = { readonly backlog: number } & (
	| { readonly lost: readonly number[] }
	| { readonly jobs: readonly Job[] }
);

export interface Dispatcher {
	/**
	 * A session's stream, until `signal` aborts; it has to be read from the start. ABORTED when another one takes its place.
	 * Throws RESOURCE_EXHAUSTED at once where too many are connected.
	 */
	connect(request: SessionRequest, signal: AbortSignal): AsyncGenerator<Delivery, void>;
	readonly connected: number;
	isConnected(session: string): boolean;
	/** To be called now and then: shows waiting consumers that their stream is alive, and looks for work. */
	tick(): void;
	/** Ends all streams, and accepts no more, with this error. */
	close(error: ConnectError): void;
}

interface Stream {
	readonly session: string;
	readonly credit: Credit;
	readonly retriesMax: number;
	/** Hands jobs to the consumer that waits for the next message. */
	deliver?: ((jobs: readonly Job[]) => void) | undefined;
	/** A message was sent since the last tick. */
	active: boolean;
	ended: boolean;
	/** Why it ended, for its caller; absent when the caller left. */
	error?: ConnectError;
}

/**
 * `onError` is told of a failure that no caller waits for. `later` runs a task soon: after what else this turn has to do,
 * the answers that it made among it, where the runtime has such a moment.
 */
export function createDispatcher(
	holdings: Holdings,
	clock: Clock,
	onError: (cause: unknown) => void,
	gapMs = messageGapMs,
	later: (task: () => void) => void = queueMicrotask,
): Dispatcher {
	const { store } = holdings;
	const streams = new Map<string, Stream>();
	/** Streams whose consumer waits, the longest first. */
	const waiting = new ChurnSet<Stream>();
	let dealing = false;
	let again = false;
	/** A tick has come: pursuits are looked for whatever the store says of the next one's time, and life is shown. */
	let ticked = false;
	let alarm: { readonly atMs: number; readonly cancel: () => void } | undefined;
	/** No fresh jobs go out before. */
	let nextMessageAtMs = 0;
	let closed: ConnectError | undefined;
	const unsubscribe = store.subscribe(wake);

	/** At the end of this turn, so that what comes together goes out together. The store must not be held up. */
	function wake(): void {
		again = true;
		if (dealing || closed) return;
		dealing = true;
		later(() => void run());
	}

	async function run(): Promise<void> {
		try {
			while (again && !closed) {
				again = false;
				const atTick = ticked;
				ticked = false;
				if (waiting.size > 0) await deal(atTick);
				if (atTick) showLife();
			}
		} catch (cause) {
			onError(cause);
		} finally {
			dealing = false;
		}
	}

	async function deal(atTick: boolean): Promise<void> {
		const hands = new Map<Stream, Job[]>();
		for (const processor of processors) {
			const dueMs = store.nextDueMs(processor);
			if (atTick || (dueMs !== undefined && dueMs <= 0)) await dealLane(processor, hands);
		}
		await dealFresh(hands);
		for (const processor of processors) armDue(processor);
		for (const [stream, jobs] of hands) {
			if (stream.deliver) stream.deliver(jobs);
			else void giveBack(jobs).catch(onError);
		}
	}

	async function dealFresh(hands: Map<Stream, Job[]>): Promise<void> {
		const leftMs = nextMessageAtMs - clock.monotonic();
		if (leftMs > 0) wakeIn(leftMs);
		else if (await dealLane("fresh", hands)) nextMessageAtMs = clock.monotonic() + gapMs;
	}

	/** An empty message on each stream that had none since the last tick. */
	function showLife(): void {
		for (const stream of [...waiting]) if (!stream.active) stream.deliver?.([]);
		for (const stream of streams.values()) stream.active = false;
	}

	/** Slice by slice to those in line, until the lane is empty or nobody has room. True where anything was dealt. */
	async function dealLane(lane: Lane, hands: Map<Stream, Job[]>): Promise<boolean> {
		let dealt = false;
		let line = [...waiting];
		while (line.length > 0) {
			const next: Stream[] = [];
			for (const stream of line) {
				const hand = hands.get(stream) ?? [];
				const turnMax = line.length > 1 ? sliceMax : messageMax;
				const max = Math.min(room(stream, lane), messageMax - hand.length, turnMax);
				if (max <= 0 || !waiting.has(stream)) continue;
				const retriesMax = Math.max(0, stream.retriesMax - holdings.retries(stream.session));
				const jobs = await store.lease(stream.session, lane, max, retriesMax);
				// The next one may have room for what this one has not.
				if (jobs.length === 0 && retriesMax >= max) return dealt;
				if (jobs.length === 0) continue;
				dealt = true;
				hands.set(stream, [...hand, ...jobs]);
				next.push(stream);
			}
			line = next;
		}
		return dealt;
	}

	function room({ session, credit }: Stream, lane: Lane): number {
		const held = (one: Lane) => holdings.outstanding(session, one);
		if (lane === "fresh") return credit.fresh - held(lane);
		const ofOneMax = Math.ceil(credit.pursuit * oneProcessorsPart);
		return Math.min(credit.pursuit - held("default") - held("fallback"), ofOneMax - held(lane));
	}

	/** Without credit for it there is nothing to wait for; the end of a lease wakes by itself. */
	function armDue(processor: Processor): void {
		const dueMs = store.nextDueMs(processor);
		if (dueMs === undefined || ![...waiting].some((stream) => room(stream, processor) > 0)) return;
		wakeIn(Math.max(dueMs, dueMinMs));
	}

	/** The earliest alarm is enough: each look for work sets the next one. */
	function wakeIn(ms: number): void {
		const atMs = clock.monotonic() + ms;
		if (alarm && alarm.atMs <= atMs) return;
		alarm?.cancel();
		const fire = () => {
			alarm = undefined;
			wake();
		};
		alarm = { atMs, cancel: clock.after(ms, fire) };
	}

	/** Jobs that were leased for a stream but never sent. */
	async function giveBack(jobs: readonly { id: string; token: number; epoch: number }[]): Promise<void> {
		if (jobs.length === 0) return;
		await store.release(jobs.map(({ id, token, epoch }) => ({ id, token, epoch, result: "unasked" as const })));
	}

	function end(stream: Stream, error?: ConnectError): void {
		if (stream.ended) return;
		stream.ended = true;
		if (error) stream.error = error;
		streams.delete(stream.session);
		stream.deliver?.([]);
	}

	function nextJobs(stream: Stream): Promise<readonly Job[]> {
		return new Promise((resolve) => {
			// By its name: churn.ts tells why.
			const deliver = (jobs: readonly Job[]): void => {
				waiting.delete(stream);
				stream.deliver = undefined;
				stream.active = true;
				resolve(jobs);
			};
			stream.deliver = deliver;
			waiting.add(stream);
			wake();
		});
	}

	const backlog = () => Math.ceil(store.waiting() / Math.max(1, streams.size));

	function admit({ session, credit, retriesMax }: SessionRequest): Stream {
		if (closed) throw closed;
		const before = streams.get(session);
		if (!before && streams.size >= sessionsMax)
			throw new ConnectError(`${sessionsMax} sessions are connected already`, Code.ResourceExhausted);
		if (before) end(before, new ConnectError("another stream of this session took its place", Code.Aborted));
		const stream: Stream = { session, credit, retriesMax, active: false, ended: false };
		streams.set(session, stream);
		return stream;
	}

	async function* deliveries(
		stream: Stream,
		request: SessionRequest,
		signal: AbortSignal,
	): AsyncGenerator<Delivery, void> {
		const leave = () => end(stream);
		signal.addEventListener("abort", leave, { once: true });
		if (signal.aborted) leave();
		try {
			const lost = await store.reclaim(request.session, request.held);
			// Sent on an earlier stream that was cut before they arrived: nobody works on them.
			if (!stream.ended) await giveBack(holdings.unknownTo(request.session, request.held));
			if (!stream.ended) yield { lost, backlog: backlog() };
			while (!stream.ended) {
				const jobs = await nextJobs(stream);
				if (!stream.ended) yield { jobs, backlog: backlog() };
				else await giveBack(jobs);
			}
			if (stream.error) throw stream.error;
		} finally {
			signal.removeEventListener("abort", leave);
			leave();
		}
	}

	return {
		connect: (request, signal) => deliveries(admit(request), request, signal),
		get connected() {
			return streams.size;
		},
		isConnected: (session) => streams.has(session),
		tick() {
			ticked = true;
			wake();
		},
		close(error) {
			if (closed) return;
			closed = error;
			unsubscribe();
			alarm?.cancel();
			for (const stream of streams.values()) end(stream, error);
		},
	};
}
