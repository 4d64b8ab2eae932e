// What crosses the wire arrives as it was: moments to the microsecond, money to the cent, ids in one form.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { foldId, paymentToProto, timestampFromUs, timestampToUs } from "../../src/cache/convert.ts";
import { AttemptState } from "../../src/gen/payrelay/v1/stats_service_pb.ts";
import { instantMaxUs } from "../../src/payment/instant.ts";
import { accept } from "../../src/payment/life.ts";

test("every microsecond that the ledger can hold comes back from its timestamp", () => {
	fc.assert(
		fc.property(fc.integer({ min: 0, max: instantMaxUs }), (us) => {
			const timestamp = timestampFromUs(us);
			expect(timestampToUs(timestamp, "up")).toBe(us);
			expect(timestampToUs(timestamp, "down")).toBe(us);
		}),
	);
});

test("a timestamp between two microseconds is rounded to the one that is asked for", () => {
	fc.assert(
		fc.property(fc.integer({ min: 0, max: 2 ** 40 }), fc.integer({ min: 1, max: 999 }), (us, nanos) => {
			const timestamp = timestampFromUs(us);
			const between = { ...timestamp, nanos: timestamp.nanos + nanos };
			expect(timestampToUs(between, "down")).toBe(us);
			expect(timestampToUs(between, "up")).toBe(us + 1);
		}),
	);
});

test("an id is the same in whatever case it comes", () => {
	fc.assert(fc.property(fc.uuid(), (id) => foldId(id.toUpperCase()) === id));
});

test("a payment in flight shows its open attempt and its pin", () => {
	const pin = { processor: "fallback", requestedAtUs: 1_752_580_800_000_000 } as const;
	const attempt = { token: 2 ** 52 + 1, ...pin, state: "open" } as const;
	const payment = { ...accept("x", 99_999_999_999n, 1_752_580_799_999_999), pin, attemptLog: [attempt], attempts: 1 };
	const shown = paymentToProto({ ...payment, state: "in_flight", openAttempt: attempt.token });
	expect(shown.amountCents).toBe(99_999_999_999n);
	expect(shown.pin?.requestedAtUs).toBe(1_752_580_800_000_000n);
	expect(shown.acceptedAt).toMatchObject({ seconds: 1_752_580_799n, nanos: 999_999_000 });
	expect(shown.attemptLog).toMatchObject([{ token: 2n ** 52n + 1n, state: AttemptState.OPEN }]);
	expect(shown.charge).toBeUndefined();
});
