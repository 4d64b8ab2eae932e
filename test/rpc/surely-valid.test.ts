// What is waved through at a glance breaks no rule of the contract, and everything ordinary is waved through.
import { create, type DescMessage, type Message } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Processor } from "../../src/gen/payrelay/v1/payment_pb.ts";
import {
	AttemptResult,
	EnqueueRequestSchema,
	EnqueueStreamRequestSchema,
	PinStreamRequestSchema,
	ReleaseStreamRequestSchema,
} from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import { InsertStatsStreamRequestSchema, Proof } from "../../src/gen/payrelay/v1/stats_service_pb.ts";
import { surelyValid } from "../../src/rpc/surely-valid.ts";

const validator = createValidator();

interface Values {
	readonly id: fc.Arbitrary<string>;
	readonly amountCents: fc.Arbitrary<bigint>;
	readonly requestedAtUs: fc.Arbitrary<bigint>;
	readonly processor: fc.Arbitrary<number>;
	readonly result: fc.Arbitrary<number>;
	readonly proof: fc.Arbitrary<number>;
	/** Whether a settlement has a charge. */
	readonly charged: fc.Arbitrary<boolean>;
	readonly items: fc.Arbitrary<number>;
}

const uuid = fc.oneof(
	fc.uuid(),
	fc.uuid().map((id) => id.toUpperCase()),
	fc.stringMatching(/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/),
);
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const named = (values: object) => fc.constantFrom(...Object.values(values).filter((value) => value > 0));

const good: Values = {
	id: uuid,
	amountCents: fc.oneof(fc.bigInt({ min: 1n, max: 99_999_999_999n }), fc.constantFrom(1n, 99_999_999_999n)),
	requestedAtUs: fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), fc.constantFrom(0n, 2n ** 63n - 1n)),
	processor: named(Processor),
	result: named(AttemptResult),
	proof: named(Proof),
	charged: fc.constant(true),
	items: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(1, 1024)),
};

const code = fc.oneof(fc.integer({ min: -1, max: 7 }), fc.constantFrom(-(2 ** 31), 127, 128, 2 ** 31 - 1));
/** One character of a UUID is another, is missing or is there twice. */
const nearlyUuid = fc
	.tuple(uuid, fc.nat(36), fc.nat(1), fc.oneof(fc.constantFrom(..."-gG/:@`\n\0é\u0130", ""), fc.string()))
	.map(([id, at, cut, put]) => id.slice(0, at) + put + id.slice(at + cut));

const doubtful: Values = {
	id: fc.oneof(nearlyUuid, fc.constant(""), fc.string()),
	amountCents: fc.constantFrom(0n, -1n, 100_000_000_000n, 2n ** 53n, -(2n ** 63n), 2n ** 63n - 1n),
	requestedAtUs: fc.oneof(fc.constantFrom(-1n, -(2n ** 63n)), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
	processor: code,
	result: code,
	proof: code,
	charged: fc.boolean(),
	items: fc.constantFrom(0, 1025, 1, 2),
};

type Init = Readonly<Record<string, unknown>>;

/** For each type of request, the arbitrary of one item and the field that holds a batch of them. */
function requests({ id, amountCents, requestedAtUs, processor, result, proof, charged }: Values) {
	const charge = fc.record({ processor, amountCents, requestedAtUs });
	const settlement = fc
		.record({ id, epoch: uint64, charge, proof, charged })
		.map(({ charged, charge, ...rest }) => (charged ? { ...rest, charge } : rest));
	const pin = fc.record({ id, token: uint64, epoch: uint64, processor });
	const release = fc.record({ id, token: uint64, epoch: uint64, result });
	return [
		[EnqueueStreamRequestSchema, "payments", fc.record({ id, amountCents }) as fc.Arbitrary<Init>],
		[PinStreamRequestSchema, "pins", pin as fc.Arbitrary<Init>],
		[ReleaseStreamRequestSchema, "releases", release as fc.Arbitrary<Init>],
		[InsertStatsStreamRequestSchema, "settlements", settlement as fc.Arbitrary<Init>],
	] as const;
}

/** So many of these items, the last of them at the end. */
function batch(desc: DescMessage, field: string, items: readonly Init[], count: number): Message {
	const filled = Array.from({ length: count }, (_, i) => items[items.length - 1 - (i % items.length)]).toReversed();
	return create(desc, { batch: 1, [field]: filled } as never);
}

/** One field of all that may be wrong, the others as they should be. */
const spoilt = (Object.keys(doubtful) as (keyof Values)[]).map((key) => ({ ...good, [key]: doubtful[key] }));

const isValid = (desc: DescMessage, message: Message) => validator.validate(desc, message).kind === "valid";

describe.each(
	requests(good).map(([desc], i) => [desc.name, desc as DescMessage, i] as const),
)("%s", (_, desc, index) => {
	test("every request that keeps the rules is waved through, also at their limits", () => {
		const [, field, item] = requests(good)[index]!;
		fc.assert(
			fc.property(fc.array(item, { minLength: 1, maxLength: 5 }), good.items, (items, count) => {
				const message = batch(desc, field, items, count);
				expect(surelyValid(desc)?.(message)).toBe(true);
				expect(isValid(desc, message)).toBe(true);
			}),
		);
	});

	test("a request that breaks a rule is left to the validator, whichever field it is", () => {
		const [, field, goodItem] = requests(good)[index]!;
		for (const values of spoilt) {
			const [, , item] = requests(values)[index]!;
			fc.assert(
				fc.property(fc.array(goodItem, { maxLength: 3 }), item, values.items, (items, last, count) => {
					const message = batch(desc, field, [...items, last], count);
					expect(surelyValid(desc)?.(message)).toBe(isValid(desc, message));
				}),
			);
		}
	});
});

test("an id with any other character in any place is judged as the validator does", () => {
	const id = "0123abcd-ABCD-4eF5-9678-90abcdefABCD";
	for (let at = 0; at <= id.length; at++)
		for (let code = 0; code < 0x180; code++) {
			const spoiltId = id.slice(0, at) + String.fromCharCode(code) + id.slice(at + 1);
			const message = create(EnqueueStreamRequestSchema, { payments: [{ id: spoiltId, amountCents: 1n }] });
			if (surelyValid(EnqueueStreamRequestSchema)?.(message) !== isValid(EnqueueStreamRequestSchema, message))
				expect.fail(`${JSON.stringify(spoiltId)} is judged wrongly`);
		}
});

test("of requests that are not hot nothing is said", () => {
	expect(surelyValid(EnqueueRequestSchema)).toBeUndefined();
});
