// The queue's hot calls over its streams of batches: what is asked while a batch is under way is the next batch.
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { Clock } from "../clock.ts";
import { createBatchClient } from "../rpc/batch-client.ts";
import { pinBatches, releaseBatches, settleBatches } from "../rpc/batch-methods.ts";
import { releaseWords, settleWords } from "../rpc/words.ts";
import { pinFromResponse, pinToProto, releaseToProto, settlementToProto } from "./convert.ts";
import { NoAnswer, type Queue } from "./ports.ts";

export interface ConnectedQueue {
	readonly queue: Queue;
	/** Waits for the answers to what was asked for up to `graceMs`. */
	close(graceMs: number): Promise<void>;
}

/**
 * One batch of each kind under way: what comes meanwhile is the next. More at a time would be smaller ones, and nobody
 * waits for these but payments whose shops have their answer.
 */
const windowMax = 1;
/** A payment whose pin takes longer is better off with another try; a release or a settle is asked again, ms. */
export const queueCallMs = 2_000;

/** `onBreak` is told why a stream broke; it is opened again by itself, and what was not answered is asked again. */
export function connectQueue(
	transport: Transport,
	clock: Clock,
	random: () => number,
	onBreak: (error: ConnectError, what: string) => void,
): ConnectedQueue {
	const shared = { transport, clock, random, bounds: { deadlineMs: queueCallMs, windowMax } };
	const breaks = (what: string) => (error: ConnectError) => onBreak(error, what);
	const pins = createBatchClient({
		...shared,
		batches: pinBatches,
		onBreak: breaks("pins"),
	});
	const releases = createBatchClient({
		...shared,
		batches: releaseBatches,
		onBreak: breaks("releases"),
	});
	const settles = createBatchClient({
		...shared,
		batches: settleBatches,
		onBreak: breaks("settles"),
	});
	return {
		queue: {
			pin: (job, processor, signal) => answer(pins.call(pinToProto(job, processor), { signal }), pinFromResponse),
			release: (job, result) => answer(releases.call(releaseToProto(job, result)), releaseWords.known),
			settle: (job, charge, proof) => answer(settles.call(settlementToProto(job, charge, proof)), settleWords.known),
		},
		async close(graceMs) {
			await Promise.all([pins.close(graceMs), releases.close(graceMs), settles.close(graceMs)]);
		},
	};
}

function answer<A, B>(call: Promise<A>, read: (answer: A) => B): Promise<B> {
	return call.then(read, refuse);
}

/** A call that the queue refuses for what it says, or that cannot be encoded, would be refused again. */
function refuse(error: unknown): never {
	const final = !(error instanceof ConnectError) || error.code === Code.InvalidArgument;
	throw final ? error : new NoAnswer(error.rawMessage, { cause: error });
}
