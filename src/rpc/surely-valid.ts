// Tells at a glance that a request of a hot stream breaks no rule of the contract, so that the validator need not look.
//
// It says no where it is not sure, and the validator decides. What it looks for are the contract's `buf.validate` options,
// once more; a test holds each of them against the validator.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Charge } from "../gen/payrelay/v1/payment_pb.ts";
import {
	type EnqueueRequest,
	EnqueueStreamRequestSchema,
	type PinRequest,
	PinStreamRequestSchema,
	type ReleaseRequest,
	ReleaseStreamRequestSchema,
} from "../gen/payrelay/v1/queue_service_pb.ts";
import { InsertStatsStreamRequestSchema, type Settlement } from "../gen/payrelay/v1/stats_service_pb.ts";
import { amountMaxCents, amountMinCents } from "../payment/amount.ts";
import { batchItemsMax } from "./batch-method.ts";
import { attemptResultWords, processorWords, proofWords } from "./words.ts";

const uuidLength = 36;
/** By character code: 1 for what may be a digit of a UUID, in either case, 2 for the dash. */
const kinds = new Uint8Array(128);
for (const digit of "0123456789abcdefABCDEF") kinds[digit.charCodeAt(0)] = 1;
kinds["-".charCodeAt(0)] = 2;
const uuidKinds = Uint8Array.from(
	"00000000-0000-0000-0000-000000000000",
	(character) => kinds[character.charCodeAt(0)]!,
);

/** The look for requests of one type; `undefined` for those that only the validator knows. */
export function surelyValid<Desc extends DescMessage>(
	desc: Desc,
): ((message: MessageShape<Desc>) => boolean) | undefined {
	return (looks.get(desc) as Look<Desc> | undefined)?.isValid;
}

interface Look<Desc extends DescMessage> {
	isValid(message: MessageShape<Desc>): boolean;
}

const enqueue: Look<typeof EnqueueStreamRequestSchema> = { isValid: ({ payments }) => isBatch(payments, isPayment) };
const pin: Look<typeof PinStreamRequestSchema> = { isValid: ({ pins }) => isBatch(pins, isPin) };
const release: Look<typeof ReleaseStreamRequestSchema> = { isValid: ({ releases }) => isBatch(releases, isRelease) };
const settle: Look<typeof InsertStatsStreamRequestSchema> = {
	isValid: ({ settlements }) => isBatch(settlements, isSettlement),
};

const looks: ReadonlyMap<DescMessage, Look<DescMessage>> = new Map<DescMessage, Look<DescMessage>>([
	[EnqueueStreamRequestSchema, enqueue],
	[PinStreamRequestSchema, pin],
	[ReleaseStreamRequestSchema, release],
	[InsertStatsStreamRequestSchema, settle],
]);

function isBatch<Item>(items: readonly Item[], isValid: (item: Item) => boolean): boolean {
	if (items.length === 0 || items.length > batchItemsMax) return false;
	for (let i = 0; i < items.length; i++) if (!isValid(items[i]!)) return false;
	return true;
}

function isPayment({ id, amountCents }: EnqueueRequest): boolean {
	return isAmount(amountCents) && isUuid(id);
}

function isPin({ id, processor }: PinRequest): boolean {
	return processorWords.word(processor) !== undefined && isUuid(id);
}

function isRelease({ id, result }: ReleaseRequest): boolean {
	return attemptResultWords.word(result) !== undefined && isUuid(id);
}

function isSettlement({ id, charge, proof }: Settlement): boolean {
	return charge !== undefined && isCharge(charge) && proofWords.word(proof) !== undefined && isUuid(id);
}

function isCharge({ processor, amountCents, requestedAtUs }: Charge): boolean {
	return processorWords.word(processor) !== undefined && isAmount(amountCents) && requestedAtUs >= 0n;
}

function isAmount(cents: bigint): boolean {
	return cents >= amountMinCents && cents <= amountMaxCents;
}

/** A loop, as a process that was asleep runs it from cold caches: a regular expression takes twice as long then. */
function isUuid(id: string): boolean {
	if (id.length !== uuidLength) return false;
	for (let i = 0; i < uuidLength; i++) if (kinds[id.charCodeAt(i)] !== uuidKinds[i]) return false;
	return true;
}
