// Spoils the bytes of a message as no accident would: its fields, at any depth, while every length stays right.
import type { DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";

/** A field as bytes: its head, and its value, or the fields of the message that it holds. */
type Field = { readonly tag: Uint8Array; readonly value: Uint8Array } | { readonly tag: Uint8Array; fields: Field[] };

function parse(desc: DescMessage | undefined, bytes: Uint8Array): Field[] {
	const reader = new BinaryReader(bytes);
	const fields: Field[] = [];
	while (reader.pos < reader.len) {
		const start = reader.pos;
		const [number, wireType] = reader.tag();
		const tag = bytes.subarray(start, reader.pos);
		const inner = desc?.fields.find((one) => one.number === number)?.message;
		if (inner && wireType === WireType.LengthDelimited) fields.push({ tag, fields: parse(inner, reader.bytes()) });
		else fields.push({ tag, value: reader.skip(wireType, number) });
	}
	return fields;
}

function write(fields: readonly Field[]): Uint8Array {
	return Buffer.concat(
		fields.flatMap((field) => {
			if ("value" in field) return [field.tag, field.value];
			const inner = write(field.fields);
			return [field.tag, new BinaryWriter().uint32(inner.length).finish(), inner];
		}),
	);
}

/** All lists of fields in a message, the outermost first. */
function lists(fields: Field[]): Field[][] {
	return [fields, ...fields.flatMap((field) => ("fields" in field ? lists(field.fields) : []))];
}

/** Heads of the fields that there are, small numbers, and what begins a longer one. */
const telling = fc.constantFrom(
	0x08,
	0x0a,
	0x10,
	0x12,
	0x18,
	0x1a,
	0x20,
	0x2a,
	0x30,
	0x38,
	0,
	1,
	2,
	36,
	0x80,
	0x81,
	0xff,
);
const tellingBytes = fc.array(telling, { maxLength: 12 }).map((bytes) => Uint8Array.from(bytes));
const head = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.constantFrom(0, 0, 0, 2, 2, 1, 3, 4, 5));
const field: fc.Arbitrary<Field> = fc.record({
	tag: head.map(([number, wireType]) => Uint8Array.of((number << 3) | wireType)),
	value: fc.oneof(
		tellingBytes,
		telling.map((byte) => Uint8Array.of(byte)),
	),
});

type Spoil = (list: Field[], at: number) => void;
const spoil: fc.Arbitrary<Spoil> = fc.oneof(
	field.map(
		(one): Spoil =>
			(list, at) =>
				void list.splice(at, 0, one),
	),
	field.map(
		(one): Spoil =>
			(list, at) =>
				void list.splice(at, 1, one),
	),
	// Twice, missing, in another order.
	fc.nat(9).map(
		(to): Spoil =>
			(list, at) =>
				void list.splice(to % (list.length + 1), 0, ...list.slice(at, at + 1)),
	),
	fc.constant<Spoil>((list, at) => void list.splice(at, 1)),
	fc.constant<Spoil>((list, at) => void list.splice(at, 0, ...list.splice(at, 2).toReversed())),
	// Another value in its place, a shorter one, one in more bytes than it needs.
	tellingBytes.map(
		(bytes): Spoil =>
			(list, at) =>
				setValue(list, at, () => bytes),
	),
	fc.nat(40).map(
		(bytes): Spoil =>
			(list, at) =>
				setValue(list, at, (value) => value.subarray(0, bytes)),
	),
	fc.constant<Spoil>((list, at) =>
		setValue(list, at, (value) => Buffer.concat([value.subarray(0, -1), Uint8Array.of((value.at(-1) ?? 0) | 0x80, 0)])),
	),
	// Bytes that promise more of them: a number goes on into the next field.
	fc.tuple(fc.integer({ min: 1, max: 10 }), fc.constantFrom(0x80, 0x81, 0xff)).map(
		([length, byte]): Spoil =>
			(list, at) =>
				setValue(list, at, () => new Uint8Array(length).fill(byte)),
	),
	// A shorter string within as many bytes: what is left of it are fields.
	fc.nat(40).map(
		(length): Spoil =>
			(list, at) =>
				setValue(list, at, (value) => Uint8Array.of(length, ...value.subarray(1))),
	),
);

function setValue(list: Field[], at: number, change: (value: Uint8Array) => Uint8Array): void {
	const old = list[at];
	if (old) list[at] = { tag: old.tag, value: change("value" in old ? old.value : write(old.fields)) };
}

const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** Takes the bytes of a message that is as it should be. */
export const spoilFields: fc.Arbitrary<(desc: DescMessage, bytes: Uint8Array) => Uint8Array> = fc
	.array(fc.tuple(spoil, place, place), { minLength: 1, maxLength: 3 })
	.map((spoils) => (desc, bytes) => {
		const fields = parse(desc, bytes);
		for (const [change, which, where] of spoils) {
			const all = lists(fields);
			const list = all[Math.floor(which * all.length)]!;
			change(list, Math.floor(where * (list.length + 1)));
		}
		return write(fields);
	});
