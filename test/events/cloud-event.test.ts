// CloudEvents as they are written and read: what is refused, and with which words.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	cloudEventContentType,
	cloudEventMaxBytes,
	encodeCloudEvent,
	InvalidEvent,
	parseCloudEvent,
} from "../../src/events/cloud-event.ts";
import { eventSource, fromCloudEvent, toCloudEvent } from "../../src/events/payment-event.ts";
import { eventTypes, type PaymentEvent } from "../../src/payment/event.ts";

const paymentId = "0f9b3c1e-7d2a-4c55-9e10-00000000002a";
const timeUs = Date.UTC(2025, 6, 15, 12) * 1000 + 250;
const source = eventSource("5f0c8d1e2b3a49586776859403a1b2c3");
const processed: PaymentEvent = { seq: 7, type: "payment.processed", paymentId, timeUs };
const bytes = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const sound = toCloudEvent(processed, source);
const parse = (value: unknown) => parseCloudEvent(bytes(value), cloudEventContentType);

describe("an event of a payment", () => {
	test("is a CloudEvent that holds the payment's id and nothing else of it", () => {
		expect(JSON.parse(new TextDecoder().decode(encodeCloudEvent(sound)))).toEqual({
			specversion: "1.0",
			id: `7-${timeUs}`,
			source: "/payrelay/5f0c8d1e2b3a49586776859403a1b2c3",
			type: "payrelay.payment.processed.v1",
			subject: paymentId,
			time: "2025-07-15T12:00:00.000250Z",
		});
	});

	test("comes out as it went in, and every copy of it has the same key", () => {
		for (const type of eventTypes) {
			const event = toCloudEvent({ ...processed, type }, source);
			const received = fromCloudEvent(
				parseCloudEvent(encodeCloudEvent(event), "application/cloudevents+json; charset=UTF-8"),
			);
			expect(received).toEqual({ key: `${source} ${event.id}`, type, paymentId, time: event.time });
		}
		const other = { ...processed, seq: 8 };
		expect(fromCloudEvent(toCloudEvent(other, source))?.key).not.toBe(fromCloudEvent(sound)?.key);
		expect(fromCloudEvent(toCloudEvent(processed, eventSource("b")))?.key).not.toBe(fromCloudEvent(sound)?.key);
	});

	test("of a type or a version that is not known is nothing to worry about", () => {
		expect(fromCloudEvent(parse({ ...sound, type: "payrelay.payment.processed.v2" }))).toBeUndefined();
		expect(
			fromCloudEvent(parse({ ...sound, type: "com.example.sku", subject: undefined, data: { sku: 1 } })),
		).toBeUndefined();
	});

	test.each([
		["without a subject", { ...sound, subject: undefined }, "subject is not a payment's UUID"],
		["with another subject", { ...sound, subject: "42" }, "subject is not a payment's UUID"],
		["with data", { ...sound, data: { amount: 1 } }, "there is data"],
		["with binary data", { ...sound, data_base64: "AA==" }, "there is data"],
	])("%s is refused, and it is said why", (_, event, why) => {
		expect(() => fromCloudEvent(parse(event))).toThrow(why);
	});
});

describe("a message", () => {
	test.each([
		["of another content type", bytes(sound), "application/json", 'the content type is "application/json"'],
		["without a content type", bytes(sound), undefined, "the content type is missing"],
		["of a batch", bytes([sound]), "application/cloudevents-batch+json", "the content type is"],
		["that is too long", new Uint8Array(cloudEventMaxBytes + 1), cloudEventContentType, "65536 are the most"],
		["that is not UTF-8", new Uint8Array([0x22, 0xff, 0x22]), cloudEventContentType, "not JSON in UTF-8"],
		["that is cut", bytes('{"specversion":"1.0"'), cloudEventContentType, "not JSON in UTF-8"],
		["that is a list", bytes([]), cloudEventContentType, "not a JSON object"],
		["of version 0.3", bytes({ ...sound, specversion: "0.3" }), cloudEventContentType, 'specversion is "0.3"'],
		["without a version", bytes({ ...sound, specversion: undefined }), cloudEventContentType, "specversion is missing"],
		["without an id", bytes({ ...sound, id: null }), cloudEventContentType, "id is missing"],
		["with an empty id", bytes({ ...sound, id: "" }), cloudEventContentType, 'id is "", not a text'],
		["with a number for an id", bytes({ ...sound, id: 7 }), cloudEventContentType, "id is 7, not a text"],
		["with a source that is none", bytes({ ...sound, source: "a b" }), cloudEventContentType, 'source is "a b"'],
		["without a type", bytes({ ...sound, type: undefined }), cloudEventContentType, "type is missing"],
		["with a time of day", bytes({ ...sound, time: "12:00" }), cloudEventContentType, 'time is "12:00"'],
		["with a time without a zone", bytes({ ...sound, time: "2025-07-15T12:00:00" }), cloudEventContentType, "time is"],
		["with a day that is none", bytes({ ...sound, time: "2025-02-30T12:00:00Z" }), cloudEventContentType, "time is"],
		["with an odd attribute", bytes({ ...sound, traceParent: "x" }), cloudEventContentType, "no attribute's name"],
		["with an attribute of parts", bytes({ ...sound, extra: {} }), cloudEventContentType, "extra is not a string"],
	])("%s is refused, and it is said why", (_, body, contentType, why) => {
		expect(() => parseCloudEvent(body, contentType)).toThrow(InvalidEvent);
		expect(() => parseCloudEvent(body, contentType)).toThrow(why);
	});

	test("with extensions of other programs is read all the same", () => {
		expect(parse({ ...sound, sequence: "7", partitionkey: null, sampled: true })).toEqual(sound);
	});

	test("of any bytes is read or refused, and never anything else", () => {
		const anyMember = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.object(), fc.boolean());
		const anyEvent = fc.record(
			{
				specversion: fc.constant("1.0"),
				id: anyMember,
				source: anyMember,
				type: anyMember,
				subject: anyMember,
				time: anyMember,
				data: anyMember,
			},
			{ requiredKeys: [] },
		);
		fc.assert(
			fc.property(fc.oneof(fc.uint8Array(), anyEvent.map(bytes), fc.json().map(bytes)), (body) => {
				try {
					fromCloudEvent(parseCloudEvent(body, cloudEventContentType));
				} catch (error) {
					expect(error).toBeInstanceOf(InvalidEvent);
				}
			}),
			{ numRuns: 500 },
		);
	});
});
