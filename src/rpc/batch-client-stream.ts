// One stream of a batch client, from its opening to its end: sends calls in batches, and hands their outcomes to them.
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { ChurnMap } from "../churn.ts";
import type { Clock } from "../clock.ts";
import type { Call, Calls } from "./batch-client-calls.ts";
import { type BatchMethod, batchNumber } from "./batch-method.ts";
import { type Flowing, flowTo, receive } from "./flow.ts";

export interface StreamBounds {
	/** Items in one batch; the contract allows 1,024. */
	readonly batchMax: number;
	/** Batches under way at the same time. */
	readonly windowMax: number;
	/** Batches under way and no answer for so long: the stream is taken for dead, ms. */
	readonly stallMs: number;
}

export interface StreamOptions<Item, Outcome, I extends DescMessage, O extends DescMessage> {
	readonly transport: Transport;
	readonly batches: BatchMethod<Item, Outcome, I, O>;
	readonly clock: Clock;
	readonly bounds: StreamBounds;
	readonly calls: Calls<Item, Outcome>;
	/** Told of each batch that is answered. */
	readonly onAnswer: () => void;
}

export interface BatchStream<Item, Outcome> {
	/** Why it ended, and what it left unanswered, oldest first. */
	readonly ended: Promise<{ readonly error: ConnectError; readonly left: Call<Item, Outcome>[] }>;
	/** Batches under way. */
	readonly unanswered: number;
	/** To be called when calls wait: all of one turn go together. */
	scheduleFlush(): void;
	close(): void;
}

const end = { done: true, value: undefined } as const;

export function openBatchStream<Item, Outcome, I extends DescMessage, O extends DescMessage>(
	options: StreamOptions<Item, Outcome, I, O>,
): BatchStream<Item, Outcome> {
	type Request = MessageInitShape<I>;
	const { transport, batches, clock, calls, onAnswer } = options;
	const { batchMax, windowMax, stallMs } = options.bounds;
	const underWay = new ChurnMap<number, Call<Item, Outcome>[]>();
	const controller = new AbortController();
	/** Takes the next batch: the stream, while it has room. Until then nothing counts as sent. */
	let taker: { give(request: Request): void; end(): void } | undefined;
	let flushScheduled = false;
	let nextBatch = 1;
	let lastHeardMs = clock.monotonic();
	let requestsEnded = false;
	let cancelStall = clock.after(stallMs, watch);
	const ended = run();

	// ── batches out ──

	/** Everything that is read from sockets in one turn of the event loop comes before its immediates. */
	function scheduleFlush(): void {
		if (flushScheduled || !taker) return;
		flushScheduled = true;
		setImmediate(flush);
	}

	function flush(): void {
		flushScheduled = false;
		while (taker) {
			const request = takeBatch();
			if (request === undefined) return;
			taker.give(request);
		}
	}

	function takeBatch(): Request | undefined {
		if (underWay.size >= windowMax) return undefined;
		const taken = calls.take(batchMax, underWay.size === 0);
		if (!taken) return undefined;
		const batch = nextBatch++;
		if (underWay.size === 0) lastHeardMs = clock.monotonic();
		underWay.set(batch, taken);
		return batches.request(batch, taken.map(itemOf));
	}

	/** For whoever asks for one batch after the other, and for whoever takes them as they come. */
	function requests(): Flowing<Request> {
		const iterator: AsyncIterator<Request> = {
			next() {
				return new Promise((resolve) => {
					const take = (next: IteratorResult<Request>): void => {
						taker = undefined;
						resolve(next);
					};
					if (requestsEnded) take(end);
					else {
						taker = { give: (value) => take({ done: false, value }), end: () => take(end) };
						flush();
					}
				});
			},
			return: leave,
			throw: leave,
		};
		return {
			[Symbol.asyncIterator]: () => iterator,
			[flowTo](receiver) {
				const give = (request: Request): void => {
					try {
						receiver.onMessage(request);
					} catch (error) {
						requestsEnded = true;
						taker = undefined;
						receiver.onError(error);
					}
				};
				const given = { give, end: receiver.onEnd };
				const hold = (held: boolean): void => {
					taker = held || requestsEnded ? undefined : given;
					flush();
				};
				hold(false);
				return { hold, leave };
			},
		};
	}

	function endRequests(): void {
		requestsEnded = true;
		taker?.end();
		taker = undefined;
	}

	function leave(): Promise<typeof end> {
		endRequests();
		return Promise.resolve(end);
	}

	// ── answers in ──

	function onResponse(response: MessageShape<O>): void {
		const batch = batchNumber(response);
		const outcomes = batches.outcomes(response);
		const answered = underWay.get(batch);
		if (answered?.length !== outcomes.length) {
			const text = answered ? `${outcomes.length} outcomes for ${answered.length} items` : `unknown batch ${batch}`;
			throw new ConnectError(`protocol error: ${text}`, Code.Internal);
		}
		underWay.delete(batch);
		lastHeardMs = clock.monotonic();
		onAnswer();
		for (let i = 0; i < answered.length; i++) calls.answer(answered[i]!, outcomes[i]!);
		if (!flushScheduled) flush();
	}

	function watch(): void {
		const silentMs = underWay.size === 0 ? 0 : clock.monotonic() - lastHeardMs;
		if (silentMs >= stallMs) controller.abort(new ConnectError("no answers come", Code.Unavailable));
		else cancelStall = clock.after(stallMs - silentMs, watch);
	}

	/** Resolves to why the stream ended. */
	async function read(): Promise<ConnectError> {
		try {
			const { signal } = controller;
			const opened = await transport.stream(batches.method, signal, undefined, undefined, requests());
			return await new Promise<ConnectError>((resolve) => {
				receive(opened.message, {
					onMessage: onResponse,
					onEnd: () => resolve(new ConnectError("the server ended the stream", Code.Unavailable)),
					onError: (error) => resolve(ConnectError.from(error)),
				});
			});
		} catch (error) {
			return ConnectError.from(error);
		}
	}

	async function run() {
		const error = await read();
		cancelStall();
		endRequests();
		controller.abort();
		return { error, left: [...underWay.values()].flat() };
	}

	return {
		ended,
		get unanswered() {
			return underWay.size;
		},
		scheduleFlush,
		close() {
			endRequests();
			controller.abort(new ConnectError("the client is closed", Code.Canceled));
		},
	};
}

function itemOf<Item>(call: { readonly item: Item }): Item {
	return call.item;
}
