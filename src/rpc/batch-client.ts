// The calling side of a stream of batches: single calls, coalesced; answered in any order; repeated after a cut.
//
// What is called in the same turn, or while as many batches are under way as may be, goes into the next batch. When the
// stream breaks it is opened again, and what was not answered is sent again: every call that goes this way is idempotent.
// A call ends by its deadline at the latest.
//
// Its calls are in batch-client-calls.ts, what one stream does is in batch-client-stream.ts; here is when a stream is opened
// again, whether the server is away, and which calls are taken meanwhile.
import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { backoffMs } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { createCalls } from "./batch-client-calls.ts";
import { type BatchStream, openBatchStream, type StreamBounds } from "./batch-client-stream.ts";
import type { BatchMethod } from "./batch-method.ts";

export interface BatchBounds extends StreamBounds {
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
	/** An opened stream that has not failed for so long, and owes no answer, counts as up; longer than connecting takes, ms. */
	readonly steadyMs: number;
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
	/** How long the server has been away, ms; 0 while it is not known to be. */
	readonly downMs: number;
	/** Since the start. */
	readonly batchesSent: number;
	readonly itemsRepeated: number;
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
	/** Told once each time that it is back, after having been gone for so long, ms. */
	readonly onBack?: (awayMs: number) => void;
}

export function createBatchClient<Item, Outcome, I extends DescMessage, O extends DescMessage>(
	options: BatchClientOptions<Item, Outcome, I, O>,
): BatchClient<Item, Outcome> {
	const { transport, batches, clock, random, onBreak, onBack } = options;
	const bounds = { ...batchBounds, ...options.bounds };
	const backoff = { baseMs: bounds.backoffMinMs, maxMs: bounds.backoffMaxMs };
	const calls = createCalls(batches, clock, bounds.tickMs, late);
	let stream: BatchStream<Item, Outcome> | undefined;
	let downSinceMs: number | undefined;
	let lastError: ConnectError | undefined;
	let failures = 0;
	let closed = false;
	const stopped = new AbortController();
	const running = run();

	function call(item: Item, { deadlineMs = bounds.deadlineMs, signal }: CallOptions = {}): Promise<Outcome> {
		const refused = refusal(signal);
		if (refused) return Promise.reject(refused);
		const outcome = calls.add(item, deadlineMs, signal);
		stream?.scheduleFlush();
		return outcome;
	}

	function refusal(signal: AbortSignal | undefined): ConnectError | undefined {
		if (closed) return new ConnectError("the client is closed; nothing was sent", Code.Unavailable);
		if (signal?.aborted) return new ConnectError("the call was canceled; nothing was sent", Code.Canceled);
		if (calls.waiting >= bounds.pendingMax)
			return new ConnectError("too many calls wait; nothing was sent", Code.ResourceExhausted);
		const away = downSinceMs !== undefined && clock.monotonic() - downSinceMs >= bounds.failFastMs;
		if (away && !(stream && calls.unsettled === 0)) return unavailable("the server is away; nothing was sent");
		return undefined;
	}

	function late(everSent: boolean): ConnectError {
		if (!everSent) return unavailable("the deadline has passed; nothing was sent");
		if (downSinceMs !== undefined) return unavailable("the server went away before it answered");
		return new ConnectError("no answer came within the deadline", Code.DeadlineExceeded);
	}

	function unavailable(text: string): ConnectError {
		return new ConnectError(text, Code.Unavailable, undefined, undefined, lastError);
	}

	function up(): void {
		failures = 0;
		if (downSinceMs === undefined) return;
		const awayMs = clock.monotonic() - downSinceMs;
		downSinceMs = undefined;
		onBack?.(awayMs);
	}

	async function run(): Promise<void> {
		while (!stopped.signal.aborted) {
			const error = await attempt();
			if (stopped.signal.aborted) return;
			lastError = error;
			if (downSinceMs === undefined) {
				downSinceMs = clock.monotonic();
				onBreak?.(error);
			}
			// An abort ends the sleep, and then the loop.
			await clock.sleep(backoffMs(backoff, failures++, random), stopped.signal).catch(() => {});
		}
	}

	/** Resolves to why the stream ended; what it left unanswered waits again. */
	async function attempt(): Promise<ConnectError> {
		stream = openBatchStream({ transport, batches, clock, bounds, calls, onAnswer: up });
		const cancelSteady = clock.after(bounds.steadyMs, () => {
			if (stream?.unanswered === 0) up();
		});
		const { error, left } = await stream.ended;
		cancelSteady();
		stream = undefined;
		calls.putBack(left, error);
		return error;
	}

	async function close(graceMs: number): Promise<void> {
		closed = true;
		await calls.drain(graceMs);
		stopped.abort();
		stream?.close();
		await running;
		calls.close(unavailable("the client was closed before an answer came"));
	}

	return {
		call,
		close,
		figures: () => ({
			waiting: calls.waiting,
			downMs: downSinceMs === undefined ? 0 : clock.monotonic() - downSinceMs,
			batchesSent: calls.batchesSent,
			itemsRepeated: calls.itemsRepeated,
		}),
	};
}
