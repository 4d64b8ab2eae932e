// What a message of a hot stream costs to encode and to decode, by hand and by protobuf-es, with warm and with cold caches.
//
// node --single-threaded --no-turbofan --max-semi-space-size=4 bench/hot-codecs.ts
import { randomUUID } from "node:crypto";
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Processor } from "../src/gen/payrelay/v1/payment_pb.ts";
import {
	AttemptResult,
	DequeueBatchResponseSchema,
	EnqueueOutcome,
	EnqueueStreamRequestSchema,
	EnqueueStreamResponseSchema,
	PinOutcome,
	PinStreamRequestSchema,
	PinStreamResponseSchema,
	ReleaseStreamRequestSchema,
} from "../src/gen/payrelay/v1/queue_service_pb.ts";
import { InsertStatsStreamRequestSchema, Proof } from "../src/gen/payrelay/v1/stats_service_pb.ts";
import { codecFor } from "../src/rpc/hot-codecs.ts";

const itemCounts = [1, 32];
/** The best of the rounds, by turns, when warm; the median of single messages when cold. */
const warmRounds = 25;
const roundItems = 8192;
const coldMessages = 300;
/** Read between two messages, so that the caches nearest to the core hold nothing of them. */
const cacheBytes = 2 ** 21;

const id = randomUUID;
const token = 2n ** 40n + 12_345n;
const epoch = 3n;
const amountCents = 1990n;
const requestedAtUs = 1_752_580_800_123_000n;
const processor = Processor.DEFAULT;
const batch = 70_000;

function many<T>(count: number, make: () => T): T[] {
	return Array.from({ length: count }, make);
}

interface Case {
	readonly name: string;
	readonly encode: (codec: "hand" | "es") => unknown;
	readonly decode: (codec: "hand" | "es") => unknown;
}

function caseOf<Desc extends DescMessage>(desc: Desc, message: MessageShape<Desc>): Case {
	const es = {
		encode: (one: MessageShape<Desc>) => toBinary(desc, one),
		decode: (bytes: Uint8Array) => fromBinary(desc, bytes),
	};
	const codecs = { hand: codecFor(desc), es };
	const bytes = Buffer.from(toBinary(desc, message));
	return {
		name: desc.name,
		encode: (codec) => codecs[codec].encode(message),
		decode: (codec) => codecs[codec].decode(bytes),
	};
}

const casesOf = (items: number): Case[] => [
	caseOf(
		EnqueueStreamRequestSchema,
		create(EnqueueStreamRequestSchema, { batch, payments: many(items, () => ({ id: id(), amountCents })) }),
	),
	caseOf(
		EnqueueStreamResponseSchema,
		create(EnqueueStreamResponseSchema, { batch, outcomes: many(items, () => EnqueueOutcome.ACCEPTED) }),
	),
	caseOf(
		DequeueBatchResponseSchema,
		create(DequeueBatchResponseSchema, {
			jobs: many(items, () => ({ id: id(), amountCents, token, epoch, waitedMs: 40 })),
			backlog: 3,
		}),
	),
	caseOf(
		PinStreamRequestSchema,
		create(PinStreamRequestSchema, { batch, pins: many(items, () => ({ id: id(), token, epoch, processor })) }),
	),
	caseOf(
		PinStreamResponseSchema,
		create(PinStreamResponseSchema, {
			batch,
			pins: many(items, () => ({ outcome: PinOutcome.PINNED, requestedAtUs })),
		}),
	),
	caseOf(
		ReleaseStreamRequestSchema,
		create(ReleaseStreamRequestSchema, {
			batch,
			releases: many(items, () => ({ id: id(), token, epoch, result: AttemptResult.NOT_CHARGED })),
		}),
	),
	caseOf(
		InsertStatsStreamRequestSchema,
		create(InsertStatsStreamRequestSchema, {
			batch,
			settlements: many(items, () => ({
				id: id(),
				epoch,
				charge: { processor, amountCents, requestedAtUs },
				proof: Proof.CHARGED,
			})),
		}),
	),
];

/** Holds what is made last, so that making it is not left out. */
let kept: unknown;

function roundNs(run: () => unknown, items: number): number {
	const messages = roundItems / items;
	const startMs = performance.now();
	for (let i = 0; i < messages; i++) kept = run();
	return ((performance.now() - startMs) * 1e6) / messages;
}

const cache = new Int32Array(cacheBytes / Int32Array.BYTES_PER_ELEMENT);

function coldNs(run: () => unknown): number {
	const spans: number[] = [];
	for (let message = 0; message < coldMessages; message++) {
		for (let i = 0; i < cache.length; i += 16) cache[i]!++;
		const start = process.hrtime.bigint();
		kept = run();
		spans.push(Number(process.hrtime.bigint() - start));
	}
	return spans.toSorted((a, b) => a - b)[coldMessages / 2]!;
}

function measure(hand: () => unknown, es: () => unknown, items: number): Readonly<Record<string, number>> {
	const best = { hand: Number.POSITIVE_INFINITY, es: Number.POSITIVE_INFINITY };
	for (let round = 0; round < warmRounds; round++) {
		best.hand = Math.min(best.hand, roundNs(hand, items));
		best.es = Math.min(best.es, roundNs(es, items));
	}
	return {
		"by hand": Math.round(best.hand),
		"protobuf-es": Math.round(best.es),
		"by hand, cold": coldNs(hand) - clockNs,
		"protobuf-es, cold": coldNs(es) - clockNs,
	};
}

const clockNs = coldNs(() => undefined);
for (const items of itemCounts) {
	process.stdout.write(`ns a message of ${items}:\n`);
	for (const { name, encode, decode } of casesOf(items))
		for (const [what, run] of [["encode", encode] as const, ["decode", decode] as const]) {
			const ns = measure(
				() => run("hand"),
				() => run("es"),
				items,
			);
			process.stdout.write(`${JSON.stringify({ message: name, what, ...ns })}\n`);
		}
}
process.exitCode = kept === undefined ? 1 : 0;
