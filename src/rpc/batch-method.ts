// A method of the contract whose two streams carry numbered batches, and how its messages are made and read.
import type { DescMessage, DescMethodBiDiStreaming, MessageInitShape, MessageShape } from "@bufbuild/protobuf";

/** What the contract allows in one batch. */
export const batchItemsMax = 1024;

/** `Outcome` n of a response answers `Item` n of the request with the same number. */
export interface BatchMethod<Item, Outcome, I extends DescMessage = DescMessage, O extends DescMessage = DescMessage> {
	readonly method: DescMethodBiDiStreaming<I, O>;
	readonly request: (batch: number, items: Item[]) => MessageInitShape<I>;
	readonly items: (request: MessageShape<I>) => readonly Item[];
	readonly response: (batch: number, outcomes: Outcome[]) => MessageInitShape<O>;
	readonly outcomes: (response: MessageShape<O>) => readonly Outcome[];
}

/** What these messages have in common, and a type over all methods cannot say. */
export function batchNumber(message: object): number {
	return (message as { batch: number }).batch;
}
