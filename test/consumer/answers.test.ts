import fc from "fast-check";
import { expect, test } from "vitest";
import { readCharge, readHealth, readReadBack } from "../../src/consumer/answers.ts";
import { formatCents } from "../../src/payment/amount.ts";
import { paymentId, sentAtUs } from "./harness.ts";

const whole = (status: number, body = "", framed = true) => ({ status, body, framed });
const success = '{"message":"payment processed successfully"}';

test("an answer that the contract names is believed", () => {
	expect(readCharge(whole(200, success))).toEqual({ kind: "charged" });
	expect(readCharge(whole(200, '{ "message": "done" }'))).toEqual({ kind: "charged" });
	expect(readCharge(whole(422, "{}"))).toEqual({ kind: "duplicate" });
	expect(readCharge(whole(429, "Calm down."))).toEqual({ kind: "not_charged", why: "too_many" });
	expect(readCharge(whole(500))).toEqual({ kind: "not_charged", why: "failing" });
});

test("nothing else proves that a payment was not charged, or that it was", () => {
	for (const status of [100, 201, 204, 301, 302, 400, 401, 404, 408, 502, 503, 504, 599])
		expect(readCharge(whole(status)).kind, String(status)).toBe("unknown");
	expect(readCharge(whole(500, "Internal")).kind).toBe("unknown");
	expect(readCharge(whole(500, " ")).kind).toBe("unknown");
	for (const garbage of ["", "<html>", "null", "[]", '"ok"', '{"message":1}', "{}"])
		expect(readCharge(whole(200, garbage)).kind, garbage).toBe("unknown");
});

test("an answer that ends with its connection may have been cut, so it proves nothing", () => {
	for (const [status, body] of [
		[200, success],
		[422, ""],
		[429, ""],
		[500, ""],
	] as const)
		expect(readCharge(whole(status, body, false)).kind).toBe("unknown");
});

test("whatever the status and body, only an empty 500 and a 429 are proof of no charge", () => {
	fc.assert(
		fc.property(fc.integer({ min: 100, max: 599 }), fc.string(), fc.boolean(), (status, body, framed) => {
			const { kind } = readCharge(whole(status, body, framed));
			if (kind === "not_charged") expect(framed && (status === 429 || (status === 500 && body === ""))).toBe(true);
		}),
	);
});

test("a read-back gives the exact amount and the time in microseconds, whatever the zone and the case of the id", () => {
	const read = (body: string) => readReadBack("default", paymentId(10), whole(200, body));
	const body = (id: string, amount: string, at: string) =>
		`{"correlationId":"${id}","amount":${amount},"requestedAt":"${at}"}`;
	const found = (amountCents: bigint, us: number) => ({
		kind: "found",
		charge: { processor: "default", amountCents, requestedAtUs: sentAtUs + us },
	});
	expect(read(body(paymentId(10), "19.90", "2025-07-15T12:00:00.123456"))).toEqual(found(1990n, 123456));
	expect(read(body(paymentId(10).toUpperCase(), "19.9", "2025-07-15T12:00:00Z"))).toEqual(found(1990n, 0));
	expect(read(body(paymentId(10), "0.29", "2025-07-15T14:00:00.5+02:00"))).toEqual(found(29n, 500_000));
	for (const wrong of [
		body(paymentId(11), "19.90", "2025-07-15T12:00:00Z"),
		body(paymentId(10), '"19.90"', "2025-07-15T12:00:00Z"),
		body(paymentId(10), "19.905", "2025-07-15T12:00:00Z"),
		body(paymentId(10), "-1", "2025-07-15T12:00:00Z"),
		`{"correlationId":"${paymentId(10)}","fee":{"amount":19.90},"requestedAt":"2025-07-15T12:00:00Z"}`,
		body(paymentId(10), "19.90", "yesterday"),
		"",
		"{}",
		"null",
		"not json",
	])
		expect(read(wrong), wrong).toEqual({ kind: "no_answer" });
});

test("a finding that may have been cut, or that came with another status, is none", () => {
	const body = `{"correlationId":"${paymentId(1)}","amount":19.90,"requestedAt":"2025-07-15T12:00:00Z"}`;
	expect(readReadBack("default", paymentId(1), whole(200, body)).kind).toBe("found");
	expect(readReadBack("default", paymentId(1), whole(200, body, false)).kind).toBe("no_answer");
	for (const status of [201, 203, 206, 404, 500])
		expect(readReadBack("default", paymentId(1), whole(status, body)).kind, String(status)).not.toBe("found");
});

test("a read-back keeps every amount exact", () => {
	fc.assert(
		fc.property(fc.bigInt({ min: 1n, max: 99_999_999_999n }), (cents) => {
			const body = `{"correlationId":"${paymentId(1)}","amount":${formatCents(cents)},"requestedAt":"2025-07-15T12:00:00"}`;
			const answer = readReadBack("fallback", paymentId(1), whole(200, body));
			expect(answer.kind === "found" && answer.charge.amountCents).toBe(cents);
		}),
	);
});

test("a read-back of an amount that no payment can have is no answer: a person should look, and the books stay whole", () => {
	for (const amount of ["0", "0.001", "1000000000", "1e25", "92000000000000000", "-1", '"19.90"']) {
		const body = `{"correlationId":"${paymentId(1)}","amount":${amount},"requestedAt":"2025-07-15T12:00:00"}`;
		expect(readReadBack("default", paymentId(1), whole(200, body))).toEqual({ kind: "no_answer" });
	}
});

test("only 404 says that a payment is not there", () => {
	expect(readReadBack("default", paymentId(1), whole(404))).toEqual({ kind: "absent" });
	for (const status of [400, 422, 429, 500, 502, 503])
		expect(readReadBack("default", paymentId(1), whole(status))).toEqual({ kind: "no_answer" });
	expect(readReadBack("default", paymentId(1), whole(404, "", false))).toEqual({ kind: "no_answer" });
});

test("a health answer counts only where it is whole and sane", () => {
	expect(readHealth(whole(200, '{"failing":true,"minResponseTime":99.2}'))).toEqual({
		reachable: true,
		failing: true,
		minResponseMs: 100,
	});
	for (const [status, body] of [
		[429, ""],
		[500, ""],
		[200, ""],
		[200, "[]"],
		[200, '{"failing":"no","minResponseTime":0}'],
		[200, '{"failing":false,"minResponseTime":-1}'],
		[200, '{"failing":false,"minResponseTime":1e9}'],
		[200, '{"failing":false}'],
	] as const)
		expect(readHealth(whole(status, body)).reachable, body).toBe(false);
});
