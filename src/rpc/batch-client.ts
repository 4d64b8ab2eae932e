// The calling side of a stream of batches: single calls, coalesced; answered in any order; repeated after a cut.
//
// What is called in the same turn, or while as many batches are under way as may be, goes into the next batch. When the
// stream breaks it is opened again, and what was not answered is sent again: every call that goes this way is idempotent.
// A call ends by its deadline at the latest.
import { create, type DescMessage, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { ChurnMap, ChurnSet } from "../churn.ts";
import type { Clock } from "../clock.ts";
import { type BatchMethod, batchNumber } from "./batch-method.ts";
import { createDeadlineWheel, type Timed } from "./deadline-wheel.ts";

export interface BatchBounds {
	/** Items in one batch; the contract allows 1,024. */
	readonly batchMax: number;
	/** Batches under way at the same time. */
	readonly windowMax: number;
	/** Items that wait to be sent; a call beyond is rejected at once with RESOURCE_EXHAUSTED. */
	readonly pendingMax: number;
	/** What a call may take unless it says otherwise, ms. */
	readonly deadlineMs: number;
	/** Deadlines are looked at so often, ms. */
	readonly tickMs: number;
	/** Before attempt n to open the stream again: a random part of `backoffMinMs` doubled n times, at most `backoffMaxMs`. */
	readonly backoffMinMs: number;
	readonly backoffMaxMs: number;
	/** The server away for longer, new calls are rejected at once with UNAVAILABLE; one at a time goes to see, ms. */
	readonly failFastMs: number;
	/** An opened stream that has not failed for so long counts as up without an answer; longer than connecting takes, ms. */
	readonly steadyMs: number;
	/** Batches under way and no answer for so long: the stream is taken for dead, ms. */
	readonly stallMs: number;
}

const batchBounds: BatchBounds = {
	batchMax: 1024,
	windowMax: 8,
	pendingMax: 8192,
	deadlineMs: 1_000,
	tickMs: 10,
	backoffMinMs: 10,
	backoffMaxMs: 100,
	failFastMs: 500,
	steadyMs: 3_000,
	stallMs: 5_000,
};

export interface CallOptions {
	readonly deadlineMs?: number;
	/** Aborted, the call is rejected with CANCELED. */
	readonly signal?: AbortSignal;
}

export interface BatchClient<Item, Outcome> {
	/**
	 * RESOURCE_EXHAUSTED: too much waits, nothing was sent. UNAVAILABLE: the server is away or this client closed.
	 * DEADLINE_EXCEEDED: sent, and no answer came in time. INVALID_ARGUMENT: the server refused this very item, or it
	 * cannot be encoded.
	 */
	call(item: Item, options?: CallOptions): Promise<Outcome>;
	/** Takes no more calls, waits for the answers to those under way for up to `graceMs`, rejects the rest. */
	close(graceMs: number): Promise<void>;
	figures(): BatchFigures;
}

export interface BatchFigures {
	readonly waiting: number;
	readonly batchesUnderWay: number;
	/** How long the server has been away, ms; 0 while it is not known to be. */
	readonly downMs: number;
	/** Since the start. */
	readonly batchesSent: number;
	readonly itemsRepeated: number;
	readonly streamsBroken: number;
}

export interface BatchClientOptions<Item, Outcome, I extends DescMessage, O extends DescMessage> {
	readonly transport: Transport;
	readonly batches: BatchMethod<Item, Outcome, I, O>;
	readonly clock: Clock;
	/** Uniform in [0, 1). */
	readonly random: () => number;
	readonly bounds?: Partial<BatchBounds>;
	/** Told once each time that the server is gone, and why; the client goes on by itself. */
	readonly onBreak?: (error: ConnectError) => void;
}

interface Entry<Item, Outcome> extends Timed {
	readonly item: Item;
	readonly resolve: (outcome: Outcome) => void;
	readonly reject: (error: ConnectError) => void;
	readonly signal: AbortSignal | undefined;
	onAbort: (() => void) | undefined;
	state: "waiting" | "sent" | "settled";
	everSent: boolean;
	/** Was in flight when the server refused a batch: sent alone from then on, to find the one at fault. */
	suspect: boolean;
}

/** One stream, from its opening to its end. */
interface Stream<Item, Outcome, Request> {
	readonly underWay: ChurnMap<number, Entry<Item, Outcome>[]>;
	readonly controller: AbortController;
	pull: ((next: IteratorResult<Request>) => void) | undefined;
	nextBatch: number;
	lastHeardMs: number;
	ended: boolean;
}

export function createBatchClient<Item, Outcome, I extends DescMessage, O extends DescMessage>(
	options: BatchClientOptions<Item, Outcome, I, O>,
): BatchClient<Item, Outcome> {
	type Request = MessageInitShape<I>;
	type Waiting = Entry<Item, Outcome>;
	const { transport, batches, clock, random, onBreak } = options;
	const bounds = { ...batchBounds, ...options.bounds };
	const { batchMax, windowMax, pendingMax, tickMs } = bounds;
	const wheel = createDeadlineWheel<Waiting>(clock, tickMs, expire);

	const waiting = new ChurnSet<Waiting>();
	let unsettled = 0;
	let suspects = 0;
	let stream: Stream<Item, Outcome, Request> | undefined;
	let flushScheduled = false;
	let downSinceMs: number | undefined;
	let lastError: ConnectError | undefined;
	let failures = 0;
	let closed = false;
	let drained = () => {};
	const stopped = new AbortController();
	let batchesSent = 0;
	let itemsRepeated = 0;
	let streamsBroken = 0;
	const running = run();

	// ── calls ──

	function call(item: Item, { deadlineMs = bounds.deadlineMs, signal }: CallOptions = {}): Promise<Outcome> {
		const refused = refusal(signal);
		if (refused) return Promise.reject(refused);
		return new Promise((resolve, reject) => {
			const entry: Waiting = {
				dueTick: 0,
				before: undefined,
				after: undefined,
				item,
				resolve,
				reject,
				signal,
				onAbort: undefined,
				state: "waiting",
				everSent: false,
				suspect: false,
			};
			if (signal) {
				// By its name: churn.ts tells why.
				const onAbort = (): void => fail(entry, new ConnectError("the call was canceled", Code.Canceled));
				entry.onAbort = onAbort;
				signal.addEventListener("abort", onAbort, { once: true });
			}
			unsettled++;
			waiting.add(entry);
			wheel.add(entry, deadlineMs);
			scheduleFlush();
		});
	}

	function refusal(signal: AbortSignal | undefined): ConnectError | undefined {
		if (closed) return new ConnectError("the client is closed; nothing was sent", Code.Unavailable);
		if (signal?.aborted) return new ConnectError("the call was canceled; nothing was sent", Code.Canceled);
		if (waiting.size >= pendingMax)
			return new ConnectError("too many calls wait; nothing was sent", Code.ResourceExhausted);
		const away = downSinceMs !== undefined && clock.monotonic() - downSinceMs >= bounds.failFastMs;
		if (away && !(stream && unsettled === 0)) return unavailable("the server is away; nothing was sent");
		return undefined;
	}

	function unavailable(text: string): ConnectError {
		return new ConnectError(text, Code.Unavailable, undefined, undefined, lastError);
	}

	function expire(entry: Waiting): void {
		if (!entry.everSent) fail(entry, unavailable("the deadline has passed; nothing was sent"));
		else if (downSinceMs !== undefined) fail(entry, unavailable("the server went away before it answered"));
		else fail(entry, new ConnectError("no answer came within the deadline", Code.DeadlineExceeded));
	}

	function fail(entry: Waiting, error: ConnectError): void {
		settle(entry);
		entry.reject(error);
	}

	/** It stays in its batch, if it is in one, as that is still under way. */
	function settle(entry: Waiting): void {
		if (entry.state === "waiting") waiting.delete(entry);
		entry.state = "settled";
		wheel.remove(entry);
		if (entry.onAbort) entry.signal!.removeEventListener("abort", entry.onAbort);
		if (entry.suspect) suspects--;
		if (--unsettled === 0) drained();
	}

	// ── batches out ──

	/** Everything that is read from sockets in one turn of the event loop comes before its immediates. */
	function scheduleFlush(): void {
		if (flushScheduled || !stream?.pull) return;
		flushScheduled = true;
		setImmediate(flush);
	}

	function flush(): void {
		flushScheduled = false;
		if (!stream?.pull) return;
		const value = takeBatch(stream);
		if (value === undefined) return;
		const { pull } = stream;
		stream.pull = undefined;
		pull({ done: false, value });
	}

	function takeBatch(from: Stream<Item, Outcome, Request>): Request | undefined {
		const { underWay } = from;
		if (waiting.size === 0 || underWay.size >= windowMax) return undefined;
		if (suspects > 0 && underWay.size > 0) return undefined;
		const most = suspects > 0 ? 1 : batchMax;
		const entries: Waiting[] = [];
		const items: Item[] = [];
		for (const entry of waiting) {
			waiting.delete(entry);
			entry.state = "sent";
			if (entry.everSent) itemsRepeated++;
			entry.everSent = true;
			items.push(entry.item);
			if (entries.push(entry) >= most) break;
		}
		const batch = from.nextBatch++;
		if (underWay.size === 0) from.lastHeardMs = clock.monotonic();
		underWay.set(batch, entries);
		batchesSent++;
		return batches.request(batch, items);
	}

	function unencodable(cause: unknown): ConnectError {
		const text = "the item cannot be encoded; nothing was sent";
		return new ConnectError(text, Code.InvalidArgument, undefined, undefined, cause);
	}

	/** Why this item breaks every batch that it is in, if it does. Dear: asked only where a stream has broken by INTERNAL. */
	function encodingError(item: Item): unknown {
		const { input } = batches.method;
		try {
			toBinary(input, create(input, batches.request(1, [item])));
			return undefined;
		} catch (error) {
			return error;
		}
	}

	function requestsOf(from: Stream<Item, Outcome, Request>): AsyncIterable<Request> {
		const end = { done: true, value: undefined } as const;
		const iterator: AsyncIterator<Request> = {
			next() {
				if (from.ended) return Promise.resolve(end);
				// Calls of this turn are still coming where a flush is due.
				const value = flushScheduled ? undefined : takeBatch(from);
				if (value !== undefined) return Promise.resolve({ done: false, value });
				return new Promise((resolve) => {
					from.pull = resolve;
				});
			},
			return() {
				endRequests(from);
				return Promise.resolve(end);
			},
			throw() {
				endRequests(from);
				return Promise.resolve(end);
			},
		};
		return { [Symbol.asyncIterator]: () => iterator };
	}

	function endRequests(from: Stream<Item, Outcome, Request>): void {
		from.ended = true;
		from.pull?.({ done: true, value: undefined });
		from.pull = undefined;
	}

	// ── answers in ──

	function onResponse(from: Stream<Item, Outcome, Request>, response: MessageShape<O>): void {
		const batch = batchNumber(response);
		const outcomes = batches.outcomes(response);
		const entries = from.underWay.get(batch);
		if (entries?.length !== outcomes.length) {
			const text = entries ? `${outcomes.length} outcomes for ${entries.length} items` : `unknown batch ${batch}`;
			throw new ConnectError(`protocol error: ${text}`, Code.Internal);
		}
		from.underWay.delete(batch);
		from.lastHeardMs = clock.monotonic();
		up();
		for (let i = 0; i < entries.length; i++) {
			const entry = entries[i]!;
			if (entry.state === "settled") continue;
			settle(entry);
			entry.resolve(outcomes[i]!);
		}
		if (!flushScheduled) flush();
	}

	function up(): void {
		downSinceMs = undefined;
		failures = 0;
	}

	// ── the stream's life ──

	async function run(): Promise<void> {
		while (!stopped.signal.aborted) {
			const error = await attempt();
			if (stopped.signal.aborted) return;
			streamsBroken++;
			lastError = error;
			if (downSinceMs === undefined) {
				downSinceMs = clock.monotonic();
				onBreak?.(error);
			}
			const boundMs = Math.min(bounds.backoffMaxMs, bounds.backoffMinMs * 2 ** failures++);
			await clock.sleep(random() * boundMs, stopped.signal).catch(() => {});
		}
	}

	/** Resolves to why the stream ended; what it left unanswered waits again. */
	async function attempt(): Promise<ConnectError> {
		const controller = new AbortController();
		const from: Stream<Item, Outcome, Request> = {
			underWay: new ChurnMap(),
			controller,
			pull: undefined,
			nextBatch: 1,
			lastHeardMs: clock.monotonic(),
			ended: false,
		};
		stream = from;
		const cancelSteady = clock.after(bounds.steadyMs, up);
		let cancelStall = clock.after(bounds.stallMs, watch);
		function watch(): void {
			const silentMs = from.underWay.size === 0 ? 0 : clock.monotonic() - from.lastHeardMs;
			if (silentMs >= bounds.stallMs) controller.abort(new ConnectError("no answers come", Code.Unavailable));
			else cancelStall = clock.after(bounds.stallMs - silentMs, watch);
		}
		try {
			const { method } = batches;
			const opened = await transport.stream(method, controller.signal, undefined, undefined, requestsOf(from));
			const responses = opened.message[Symbol.asyncIterator]();
			for (;;) {
				const next = await responses.next();
				if (next.done) return ending(from, new ConnectError("the server ended the stream", Code.Unavailable));
				onResponse(from, next.value);
			}
		} catch (error) {
			return ending(from, ConnectError.from(error));
		} finally {
			cancelSteady();
			cancelStall();
			stream = undefined;
			endRequests(from);
			controller.abort();
		}
	}

	function ending(from: Stream<Item, Outcome, Request>, error: ConnectError): ConnectError {
		let unanswered = [...from.underWay.values()].flat().filter((entry) => entry.state === "sent");
		if (error.code === Code.InvalidArgument && error.isWireError) {
			if (unanswered.length === 1) fail(unanswered.pop()!, error);
			for (const entry of unanswered) {
				if (!entry.suspect) suspects++;
				entry.suspect = true;
			}
		}
		if (error.code === Code.Internal) {
			for (const entry of unanswered) {
				const cause = encodingError(entry.item);
				if (cause !== undefined) fail(entry, unencodable(cause));
			}
			unanswered = unanswered.filter((entry) => entry.state === "sent");
		}
		for (const entry of unanswered) entry.state = "waiting";
		if (unanswered.length > 0) {
			const later = [...waiting];
			waiting.clear();
			for (const entry of [...unanswered, ...later]) waiting.add(entry);
		}
		return error;
	}

	async function close(graceMs: number): Promise<void> {
		closed = true;
		if (unsettled > 0) {
			await new Promise<void>((resolve) => {
				const cancel = clock.after(graceMs, resolve);
				drained = () => {
					cancel();
					resolve();
				};
			});
		}
		stopped.abort();
		if (stream) {
			endRequests(stream);
			stream.controller.abort(new ConnectError("the client is closed", Code.Canceled));
		}
		await running;
		for (const entry of [...waiting]) fail(entry, unavailable("the client was closed before an answer came"));
		wheel.stop();
	}

	return {
		call,
		close,
		figures: () => ({
			waiting: waiting.size,
			batchesUnderWay: stream?.underWay.size ?? 0,
			downMs: downSinceMs === undefined ? 0 : clock.monotonic() - downSinceMs,
			batchesSent,
			itemsRepeated,
			streamsBroken,
		}),
	};
}
