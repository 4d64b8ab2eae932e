// The hand-written codecs say and understand what protobuf-es does, byte for byte, and do the ordinary by themselves.
import { create, type DescMessage, equals, fromBinary, isMessage, type Message, toBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	DequeueBatchResponseSchema,
	EnqueueStreamRequestSchema,
	EnqueueStreamResponseSchema,
	PinStreamResponseSchema,
} from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import { FiguresResponseSchema, SummaryRequestSchema } from "../../src/gen/payrelay/v1/stats_service_pb.ts";
import { hotCodecs } from "../../src/rpc/codec/hot-messages.ts";
import { codecFor } from "../../src/rpc/hot-codecs.ts";
import { allMessages, ordinaryMessages } from "./hot-messages.ts";
import { spoilFields } from "./spoil-message.ts";

const itemsMax = 3;
const all = allMessages(itemsMax);
const ordinary = ordinaryMessages(itemsMax);

/** As one message of a larger chunk: what is before and behind it is not its own. */
function within(bytes: Uint8Array): Buffer {
	const chunk = Buffer.concat([Buffer.alloc(7, 0x0a), bytes, Buffer.alloc(64, 0x12)]);
	return chunk.subarray(7, 7 + bytes.length);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function outcome(run: () => Message): unknown {
	try {
		return { message: run() };
	} catch (error) {
		return { error: String(error) };
	}
}

type Spoil = (desc: DescMessage, bytes: Uint8Array) => Uint8Array;
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
/** What a line or a program might do to bytes. */
const damage: fc.Arbitrary<Spoil> = fc.oneof(
	fc.tuple(place, fc.nat(7)).map(
		([at, bit]): Spoil =>
			(_, bytes) => {
				const flipped = Buffer.from(bytes);
				if (bytes.length > 0) flipped[Math.floor(at * bytes.length)]! ^= 1 << bit;
				return flipped;
			},
	),
	place.map(
		(at): Spoil =>
			(_, bytes) =>
				bytes.subarray(0, at * bytes.length),
	),
	fc.tuple(place, place, fc.nat(2), fc.uint8Array({ maxLength: 3 })).map(
		([from, to, times, more]): Spoil =>
			(_, bytes) => {
				const [start, end] = [from * bytes.length, to * bytes.length].toSorted((a, b) => a - b);
				const piece = bytes.subarray(start, end);
				return Buffer.concat([bytes.subarray(0, start), ...Array(times).fill(piece), more, bytes.subarray(end)]);
			},
	),
);
const spoilt = (message: fc.Arbitrary<Message>, desc: DescMessage): fc.Arbitrary<Uint8Array> =>
	fc.tuple(message, fc.oneof(damage, spoilFields, spoilFields)).map(([one, spoil]) => spoil(desc, toBinary(desc, one)));

describe.each(all)("%s", (_, desc, message) => {
	test("any message is the same bytes as protobuf-es makes of it", () => {
		fc.assert(
			fc.property(message, (one) => {
				const bytes = codecFor(desc).encode(one);
				expect(hex(bytes)).toBe(hex(toBinary(desc, one)));
				expect(hex(codecFor(desc).encode(one, 5).subarray(5))).toBe(hex(bytes));
			}),
			{ numRuns: 300 },
		);
	});

	test("any message comes back as protobuf-es gives it back", () => {
		fc.assert(
			fc.property(message, (one) => {
				const bytes = within(toBinary(desc, one));
				const decoded = codecFor(desc).decode(bytes);
				const expected = fromBinary(desc, bytes);
				expect(decoded).toStrictEqual(expected);
				expect(equals(desc, decoded, expected)).toBe(true);
				expect(codecFor(desc).decode(Uint8Array.from(bytes))).toStrictEqual(expected);
			}),
			{ numRuns: 300 },
		);
	});

	test("a message that was damaged, or that another program made, is taken and refused as by protobuf-es", () => {
		fc.assert(
			fc.property(fc.oneof(spoilt(message, desc), fc.uint8Array({ maxLength: 100 })), (bytes) => {
				const own = outcome(() => codecFor(desc).decode(within(bytes)));
				expect(own).toStrictEqual(outcome(() => fromBinary(desc, within(bytes))));
			}),
			{ numRuns: 1000 },
		);
	});

	test("what is understood by hand is exactly what protobuf-es would have written", () => {
		fc.assert(
			fc.property(spoilt(message, desc), (bytes) => {
				const decoded = hotCodecs.get(desc)!.decode(bytes);
				if (decoded) expect(hex(toBinary(desc, decoded))).toBe(hex(bytes));
			}),
			{ numRuns: 1000 },
		);
	});
});

test.each(ordinary)("an ordinary %s does not pass through protobuf-es", (_, desc, message) => {
	fc.assert(
		fc.property(message, (one) => {
			const bytes = toBinary(desc, one);
			expect(hex(hotCodecs.get(desc)!.encode(one, 0)!)).toBe(hex(bytes));
			expect(hotCodecs.get(desc)!.decode(within(bytes))).toStrictEqual(fromBinary(desc, bytes));
		}),
	);
});

const otherWays: readonly (readonly [what: string, desc: DescMessage, bytes: string])[] = [
	["a zero that is said", PinStreamResponseSchema, "0800"],
	["a zero that is said, of an enum", PinStreamResponseSchema, "12020800"],
	["a number in more bytes than it needs", PinStreamResponseSchema, "088100"],
	["a negative number", PinStreamResponseSchema, "120b10ffffffffffffffffff01"],
	["a number of the wrong type", PinStreamResponseSchema, "0d01"],
	["an item whose length takes more bytes than it needs", PinStreamResponseSchema, "1282000801"],
	["fields in another order", PinStreamResponseSchema, "12000801"],
	["a field twice", PinStreamResponseSchema, "08010802"],
	["a field of a newer contract", PinStreamResponseSchema, "080148011a00"],
	["an id that is not a UUID", EnqueueStreamRequestSchema, "12030a0178"],
	["a list of enums one by one", EnqueueStreamResponseSchema, "10011002"],
	["a list of enums in two pieces", EnqueueStreamResponseSchema, "120101120101"],
	["an empty list that is said", EnqueueStreamResponseSchema, "1200"],
	["an enum's value in two bytes", EnqueueStreamResponseSchema, "12028101"],
	["lost leases", DequeueBatchResponseSchema, "120105"],
];

test.each(otherWays)("protobuf-es has the word on %s", (_, desc, text) => {
	const bytes = Buffer.from(text, "hex");
	expect(hotCodecs.get(desc)!.decode(bytes)).toBeUndefined();
	expect(codecFor(desc).decode(bytes)).toStrictEqual(fromBinary(desc, bytes));
});

const idOf = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;

test("a message that was sent stays as it was, with its head, while others are written, small ones and large ones", () => {
	const large = fc.integer({ min: 150, max: 1024 });
	const requests = fc.array(fc.oneof(fc.nat(40), large), { minLength: 20, maxLength: 80 }).map((sizes) =>
		sizes.map((size, batch) => {
			const payments = Array.from({ length: size }, (_, i) => ({ id: idOf(i), amountCents: BigInt(batch) }));
			return [EnqueueStreamRequestSchema, create(EnqueueStreamRequestSchema, { batch, payments })] as const;
		}),
	);
	const responses = fc.array(fc.oneof(fc.nat(9), fc.nat(9), large), { minLength: 600, maxLength: 800 }).map((sizes) =>
		sizes.map((size, i) => {
			const init = { batch: 2 ** 32 - 1 - i, outcomes: Array(size).fill(1) };
			return [EnqueueStreamResponseSchema, create(EnqueueStreamResponseSchema, init)] as const;
		}),
	);
	fc.assert(
		fc.property(fc.oneof(requests, responses), fc.constantFrom(0, 5), (messages, headBytes) => {
			const sent = messages.map(([desc, message], i) => {
				const bytes = codecFor<DescMessage>(desc).encode(message, headBytes);
				bytes.fill(i, 0, headBytes);
				return bytes;
			});
			const heads = messages.map((_, i) => Buffer.alloc(headBytes, i));
			const whole = messages.map(([desc, message], i) => [heads[i]!, toBinary<DescMessage>(desc, message)]);
			expect(sent.map(hex)).toEqual(whole.map((pair) => hex(Buffer.concat(pair))));
		}),
		{ numRuns: 60 },
	);
});

test("a list that claims to be longer than its message is refused at once", () => {
	for (const size of [[100], [0xff, 0xff, 0xff, 0xff, 0x0f]]) {
		const bytes = Uint8Array.of(0x12, ...size, 1, 1);
		expect(() => codecFor(EnqueueStreamResponseSchema).decode(bytes)).toThrow("premature EOF");
	}
});

test("a thousand of the largest jobs fit", () => {
	const long = 2n ** 53n - 1n;
	const uint32 = 2 ** 32 - 1;
	const job = {
		id: "ffffffff-ffff-4fff-bfff-ffffffffffff",
		amountCents: long,
		token: long,
		epoch: long,
		pin: { processor: 127 as never, requestedAtUs: long },
		attempts: uint32,
		waitedMs: uint32,
	};
	const jobs = Array.from({ length: 1000 }, () => job);
	const message = create(DequeueBatchResponseSchema, { jobs, leaseMs: uint32, inFlightMax: uint32, backlog: uint32 });
	const bytes = hotCodecs.get(DequeueBatchResponseSchema)!.encode(message, 0)!;
	expect(hex(bytes)).toBe(hex(toBinary(DequeueBatchResponseSchema, message)));
	expect(hotCodecs.get(DequeueBatchResponseSchema)!.decode(bytes)).toStrictEqual(message);
});

test("fields of a newer contract are passed on, wherever they are", () => {
	const unknown = [{ no: 9, wireType: WireType.Varint, data: Uint8Array.of(5) }];
	for (const [, desc, message] of ordinary) {
		for (const one of fc.sample(message, 20)) {
			one.$unknown = unknown;
			expect(hex(codecFor(desc).encode(one))).toBe(hex(toBinary(desc, one)));
			delete one.$unknown;
			for (const inner of innerMessages(one)) {
				inner.$unknown = unknown;
				expect(hex(codecFor(desc).encode(one))).toBe(hex(toBinary(desc, one)));
				expect(codecFor(desc).decode(toBinary(desc, one))).toStrictEqual(fromBinary(desc, toBinary(desc, one)));
				delete inner.$unknown;
			}
		}
	}
});

function innerMessages(message: Message): Message[] {
	const values = Object.values(message)
		.flat()
		.filter((value) => isMessage(value));
	return values.flatMap((value) => [value, ...innerMessages(value)]);
}

test("a message that protobuf-es cannot write is refused with its words, and the next one is written", () => {
	const good = create(EnqueueStreamRequestSchema, { batch: 1, payments: [{ id: "x", amountCents: 1n }] });
	const wrong = [
		{ batch: -1 },
		{ batch: 1.5 },
		{ batch: 2 ** 32 },
		{ payments: [{ amountCents: 2n ** 63n }] },
		{ payments: [{ amountCents: 2n ** 64n + 5n }] },
	];
	const { encode } = codecFor(EnqueueStreamRequestSchema);
	for (const init of wrong) {
		const message = create(EnqueueStreamRequestSchema, init);
		let text = "";
		try {
			toBinary(EnqueueStreamRequestSchema, message);
		} catch (error) {
			text = (error as Error).message;
		}
		expect(text).not.toBe("");
		expect(() => encode(message)).toThrow(text);
		expect(hex(encode(good))).toBe(hex(toBinary(EnqueueStreamRequestSchema, good)));
	}
});

test("a message that was read by hand is one for all that protobuf-es does", () => {
	for (const [, desc, message] of ordinary) {
		const bytes = toBinary(desc, fc.sample(message, 1)[0]!);
		const decoded = codecFor(desc).decode(bytes);
		expect(isMessage(decoded, desc)).toBe(true);
		expect(create(desc, decoded)).toBe(decoded);
		expect(hex(toBinary(desc, decoded))).toBe(hex(bytes));
	}
});

test("messages of the calls that are not hot go through as well", () => {
	for (const [desc, init] of [
		[SummaryRequestSchema, { from: { seconds: 5n, nanos: 1 } }],
		[FiguresResponseSchema, { waiting: 3n, processors: [{ inFlight: 2 }] }],
	] as const) {
		const message = create<DescMessage>(desc, init);
		const bytes = codecFor<DescMessage>(desc).encode(message);
		expect(hex(bytes)).toBe(hex(toBinary<DescMessage>(desc, message)));
		expect(codecFor<DescMessage>(desc).decode(bytes)).toStrictEqual(message);
	}
});
