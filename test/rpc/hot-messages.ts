// Arbitrary messages of the hot streams: ordinary ones, and all that their types allow.
import { create, type DescMessage, type Message } from "@bufbuild/protobuf";
import fc from "fast-check";
import * as queue from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import * as stats from "../../src/gen/payrelay/v1/stats_service_pb.ts";

/** What the fields of a message may hold. */
interface Values {
	readonly id: fc.Arbitrary<string>;
	readonly int64: fc.Arbitrary<bigint>;
	readonly uint64: fc.Arbitrary<bigint>;
	readonly uint32: fc.Arbitrary<number>;
	readonly code: fc.Arbitrary<number>;
	readonly lost: fc.Arbitrary<bigint[]>;
}

const safe = fc.bigInt({ min: 0n, max: 2n ** 53n - 1n });
const edges = [0n, 1n, 127n, 128n, 2n ** 28n - 1n, 2n ** 28n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 35n, 2n ** 49n];
const uuid = fc.uuid().chain((id) => fc.constantFrom(id, id.toUpperCase()));
const uint32 = fc.oneof(
	fc.nat(200),
	fc.integer({ min: 0, max: 2 ** 32 - 1 }),
	fc.constantFrom(0, 2 ** 28, 2 ** 32 - 1),
);

const ordinaryValues: Values = {
	id: uuid,
	int64: fc.oneof(safe, fc.constantFrom(...edges, 2n ** 53n - 1n)),
	// Tokens and epochs begin with 1: an item that ends in a field left out may be read by protobuf-es.
	uint64: fc.oneof(safe, fc.constantFrom(...edges, 2n ** 53n - 1n)).map((value) => (value === 0n ? 1n : value)),
	uint32,
	code: fc.integer({ min: 0, max: 127 }),
	lost: fc.constant([]),
};

/** Also lone surrogates. */
const textOf = (units: number[]): string => String.fromCharCode(...units);
const unit = fc.oneof(fc.integer({ min: 0, max: 0x7f }), fc.integer({ min: 0, max: 0xffff }));
const beyond = [2n ** 53n, 2n ** 53n + 1n, 2n ** 56n, 2n ** 62n, 2n ** 63n - 1n];

const allValues: Values = {
	id: fc.oneof(
		uuid,
		fc.constant(""),
		fc.string({ unit: "grapheme" }),
		fc.array(unit, { minLength: 36, maxLength: 36 }).map(textOf),
		fc.array(unit, { maxLength: 150 }).map(textOf),
		// 36 bytes of UTF-8, like a UUID.
		fc.nat(34).map((at) => "x".repeat(at) + "é".padEnd(35 - at, "x")),
		fc.string({ minLength: 35, maxLength: 37, unit: "grapheme-ascii" }),
	),
	int64: fc.oneof(
		fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
		safe,
		fc.constantFrom(...edges, ...beyond, -1n),
	),
	uint64: fc.oneof(
		fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
		safe,
		fc.constantFrom(...edges, ...beyond, 2n ** 64n - 1n),
	),
	uint32,
	code: fc.oneof(
		fc.integer({ min: -1, max: 6 }),
		fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
		fc.constantFrom(127, 128, 2 ** 31 - 1, -(2 ** 31)),
	),
	lost: fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 3 }),
};

/** A type's name, the type, and messages of it. */
type Hot = readonly [name: string, desc: DescMessage, message: fc.Arbitrary<Message>];

export const ordinaryMessages = (itemsMax: number): readonly Hot[] => hotMessages(ordinaryValues, itemsMax);

/** In most of them only one kind of field is out of the ordinary: of the rest, most would be so for several reasons. */
export function allMessages(itemsMax: number): readonly Hot[] {
	const kinds = Object.keys(allValues) as (keyof Values)[];
	const ways = [allValues, ...kinds.map((kind) => ({ ...ordinaryValues, [kind]: allValues[kind] }))];
	const messages = ways.map((values) => hotMessages(values, itemsMax));
	return messages[0]!.map(([name, desc], i) => [name, desc, fc.oneof(...messages.map((way) => way[i]![2]))] as const);
}

function hotMessages({ id, int64, uint64, uint32, code, lost }: Values, itemsMax: number): readonly Hot[] {
	const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: itemsMax });
	const pin = fc.record({ processor: code, requestedAtUs: int64 });
	const charge = fc.record({ processor: code, amountCents: int64, requestedAtUs: int64 });
	const job = fc.record(
		{ id, amountCents: int64, token: uint64, epoch: uint64, pin, attempts: uint32, waitedMs: uint32 },
		{ requiredKeys: ["id", "amountCents", "token", "epoch", "attempts", "waitedMs"] },
	);
	const settlement = fc.record({ id, epoch: uint64, charge, proof: code }, { requiredKeys: ["id", "epoch", "proof"] });
	const outcomes = fc.record({ batch: uint32, outcomes: fc.array(code, { maxLength: 20 * itemsMax }) });
	const of = <Desc extends DescMessage>(desc: Desc, init: fc.Arbitrary<object>) =>
		[desc.name, desc, init.map((one): Message => create(desc, one as never))] as const;
	return [
		of(
			queue.EnqueueStreamRequestSchema,
			fc.record({ batch: uint32, payments: list(fc.record({ id, amountCents: int64 })) }),
		),
		of(queue.EnqueueStreamResponseSchema, outcomes),
		of(
			queue.PinStreamRequestSchema,
			fc.record({ batch: uint32, pins: list(fc.record({ id, token: uint64, epoch: uint64, processor: code })) }),
		),
		of(
			queue.PinStreamResponseSchema,
			fc.record({ batch: uint32, pins: list(fc.record({ outcome: code, requestedAtUs: int64 })) }),
		),
		of(
			queue.ReleaseStreamRequestSchema,
			fc.record({ batch: uint32, releases: list(fc.record({ id, token: uint64, epoch: uint64, result: code })) }),
		),
		of(queue.ReleaseStreamResponseSchema, outcomes),
		of(stats.InsertStatsStreamRequestSchema, fc.record({ batch: uint32, settlements: list(settlement) })),
		of(stats.InsertStatsStreamResponseSchema, outcomes),
		of(
			queue.DequeueBatchResponseSchema,
			fc.record({ jobs: list(job), lost, leaseMs: uint32, inFlightMax: uint32, backlog: uint32 }),
		),
	];
}
