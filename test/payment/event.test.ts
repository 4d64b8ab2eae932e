// What is told of a payment's life, and that it is told once for each time that it became true.
import fc from "fast-check";
import { expect, test } from "vitest";
import { eventOf } from "../../src/payment/event.ts";
import { anyLife, idOf } from "../cache/store/payments.ts";

test("an acceptance, each parking and a settlement are told when they come about, and nothing else is", () => {
	fc.assert(
		fc.property(anyLife, (live) => {
			const payments = live(idOf(1));
			for (const [n, after] of payments.entries()) {
				const before = payments[n - 1];
				const came = after.state !== before?.state;
				const told = { settled: "payment.processed", parked: "payment.parked" }[after.state as "settled" | "parked"];
				expect(eventOf(before, after)).toBe(before ? (came ? told : undefined) : "payment.accepted");
			}
		}),
	);
});
