// The serving side of a stream of batches: each is carried out at once, and answered when it is done, in any order.
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { ChurnSet } from "../churn.ts";
import { type BatchMethod, batchItemsMax, batchNumber } from "./batch-method.ts";

/** Batches of one stream under way or waiting to be written; beyond, the stream is not read. */
export const batchesMax = 64;

/** Gives one outcome an item, in the items' order. What it throws ends the stream. */
export type HandleBatch<Item, Outcome> = (items: readonly Item[], context: HandlerContext) => Promise<Outcome[]>;

/**
 * `closing`: once it aborts nothing more is read; what was read is answered, and then the stream ends with its reason.
 * The stream also ends when its caller has ended it and all is answered, when the caller is gone, when `handle` fails,
 * and with INVALID_ARGUMENT on a batch that the contract does not allow.
 */
export function serveBatches<Item, Outcome, I extends DescMessage, O extends DescMessage>(
	batches: BatchMethod<Item, Outcome, I, O>,
	handle: HandleBatch<Item, Outcome>,
	closing?: AbortSignal,
): (requests: AsyncIterable<MessageShape<I>>, context: HandlerContext) => AsyncIterable<MessageInitShape<O>> {
	return (requests, context) => ({
		[Symbol.asyncIterator]: () => answers(batches, requests[Symbol.asyncIterator](), handle, context, closing),
	});
}

/** An iterator by hand: a generator would cost several promises a batch more. */
function answers<Item, Outcome, I extends DescMessage, O extends DescMessage>(
	batches: BatchMethod<Item, Outcome, I, O>,
	requests: AsyncIterator<MessageShape<I>>,
	handle: HandleBatch<Item, Outcome>,
	context: HandlerContext,
	closing: AbortSignal | undefined,
): AsyncIterator<MessageInitShape<O>> {
	type Next = IteratorResult<MessageInitShape<O>>;
	const done: MessageInitShape<O>[] = [];
	const underWay = new ChurnSet<number>();
	let reading = false;
	let ended = false;
	let over = false;
	let failure: { readonly error: unknown } | undefined;
	let waiter: { resolve: (next: Next) => void; reject: (error: unknown) => void } | undefined;

	/** What the reader of the answers gets now; `undefined` when it has to wait. */
	function give(resolve: (next: Next) => void, reject: (error: unknown) => void): boolean {
		const response = done.shift();
		if (response !== undefined) resolve({ done: false, value: response });
		else if (failure) {
			finish();
			reject(failure.error);
		} else if (over || (ended && underWay.size === 0)) {
			finish();
			resolve({ done: true, value: undefined });
		} else if (closing?.aborted && underWay.size === 0) {
			finish();
			reject(closing.reason);
		} else return false;
		return true;
	}

	function wake(): void {
		if (waiter && give(waiter.resolve, waiter.reject)) waiter = undefined;
	}

	function fail(error: unknown): void {
		failure ??= { error };
		wake();
	}

	function finish(): void {
		if (over) return;
		over = true;
		closing?.removeEventListener("abort", wake);
		// The source may have failed already; nobody waits for its end.
		requests.return?.().then(undefined, () => {});
	}

	function read(): void {
		if (reading || ended || over || failure || closing?.aborted || underWay.size + done.length >= batchesMax) return;
		reading = true;
		requests.next().then(onRequest, onReadError);
	}

	function onReadError(error: unknown): void {
		reading = false;
		fail(error);
	}

	function onRequest(next: IteratorResult<MessageShape<I>>): void {
		reading = false;
		if (next.done) {
			ended = true;
			wake();
		} else if (!over && !closing?.aborted) {
			carryOut(batchNumber(next.value), batches.items(next.value));
			read();
		}
	}

	function carryOut(batch: number, items: readonly Item[]): void {
		const wrong = items.length > batchItemsMax ? `has more than ${batchItemsMax} items` : "is under way already";
		if (items.length > batchItemsMax || underWay.has(batch)) {
			fail(new ConnectError(`batch ${batch} ${wrong}`, Code.InvalidArgument));
			return;
		}
		underWay.add(batch);
		handle(items, context).then((outcomes) => {
			underWay.delete(batch);
			if (outcomes.length !== items.length) {
				fail(new Error(`${outcomes.length} outcomes for ${items.length} items`));
				return;
			}
			done.push(batches.response(batch, outcomes));
			wake();
			read();
		}, fail);
	}

	closing?.addEventListener("abort", wake, { once: true });
	return {
		next() {
			read();
			return new Promise<Next>((resolve, reject) => {
				if (!give(resolve, reject)) waiter = { resolve, reject };
				read();
			});
		},
		return() {
			finish();
			wake();
			return Promise.resolve({ done: true, value: undefined });
		},
		throw(error) {
			finish();
			wake();
			return Promise.reject(error);
		},
	};
}
