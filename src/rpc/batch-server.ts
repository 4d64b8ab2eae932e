// The serving side of a stream of batches: each is carried out at once, and answered when it is done, in any order.
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { ChurnSet } from "../churn.ts";
import { type BatchMethod, batchItemsMax, batchNumber } from "./batch-method.ts";
import { type Flow, receive } from "./flow.ts";
import { createInbox } from "./inbox.ts";

/** Batches of one stream under way, and as many that wait to be written; beyond, the stream is not read. */
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
	return (requests, context) => {
		const underWay = new ChurnSet<number>();
		let unread = false;
		let ended = false;
		let over = false;
		let source: Flow | undefined;
		const answers = createInbox<MessageInitShape<O>>({
			waitingMax: batchesMax,
			hold(held) {
				unread = held;
				holdIfFull();
			},
			onLeft: finish,
		});
		// What waits already comes before there is a source to hold.
		source = receive(requests, {
			onMessage: (request) => carryOut(batchNumber(request), batches.items(request)),
			onEnd() {
				ended = true;
				endIfDone();
			},
			onError: fail,
		});
		if (over) source.leave();
		else holdIfFull();

		function carryOut(batch: number, items: readonly Item[]): void {
			if (over || closing?.aborted) return;
			const wrong = items.length > batchItemsMax ? `has more than ${batchItemsMax} items` : "is under way already";
			if (items.length > batchItemsMax || underWay.has(batch))
				throw new ConnectError(`batch ${batch} ${wrong}`, Code.InvalidArgument);
			underWay.add(batch);
			holdIfFull();
			handle(items, context).then((outcomes) => {
				underWay.delete(batch);
				if (over) return;
				if (outcomes.length !== items.length)
					return fail(new Error(`${outcomes.length} outcomes for ${items.length} items`));
				answers.push(batches.response(batch, outcomes));
				holdIfFull();
				endIfDone();
			}, fail);
		}

		function holdIfFull(): void {
			source?.hold(unread || underWay.size >= batchesMax);
		}

		function endIfDone(): void {
			if (underWay.size > 0) return;
			if (ended) {
				finish();
				answers.end();
			} else if (closing?.aborted) fail(closing.reason);
		}

		function fail(error: unknown): void {
			finish();
			answers.fail(error);
		}

		function finish(): void {
			if (over) return;
			over = true;
			closing?.removeEventListener("abort", endIfDone);
			source?.leave();
		}

		if (closing?.aborted) endIfDone();
		else if (!over) closing?.addEventListener("abort", endIfDone, { once: true });
		return answers;
	};
}
