// A payment comes back from its columns as it went in, and shows where one of them was changed.
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Columns, checkedColumns, isIntact, toColumns, toRow } from "../../../../src/cache/store/sqlite/record.ts";
import * as life from "../../../../src/payment/life.ts";
import { paymentIdToBytes } from "../../../../src/payment/payment.ts";
import { anyLife, doubt, idOf, startUs } from "../payments.ts";

/** As the statement that writes them has them. */
const changing = [...checkedColumns.slice(2), "more", "sum"];

function columnsOf(payment: life.Payment): Columns {
	const values = toColumns(payment).map((value, place) => [changing[place], value]);
	const { id, amountCents, acceptedAtUs } = payment;
	const fixed = { seq: 3, id: paymentIdToBytes(id), amount_cents: Number(amountCents), accepted_at_us: acceptedAtUs };
	return { ...fixed, ...Object.fromEntries(values) };
}

test("at every step of its life", () => {
	fc.assert(
		fc.property(anyLife, (live) => {
			for (const payment of live(idOf(1))) {
				const columns = columnsOf(payment);
				expect(isIntact(columns)).toBe(true);
				expect(toRow(columns)).toEqual({ seq: 3, payment });
			}
		}),
		{ numRuns: 1_000 },
	);
});

test("with who decided on it, though no attempt of its own was ever made", () => {
	const startMs = startUs / 1000;
	const remembered = life.acceptInDoubt(idOf(1), 5n, "fallback", startMs);
	const moment = { nowMs: startMs + doubt.parkAfterMs, random: 0 };
	const parked = life.release(remembered, 0, "none", moment, doubt);
	const resolution = { decision: "retry", who: "ops", why: "asked", atUs: startUs } as const;
	const retried = life.resolve(parked, resolution, undefined)!;
	const settled = life.settle(retried, { ...retried.pin!, amountCents: 5n }, startUs);
	if (!("payment" in settled)) throw new Error("not settled");
	for (const payment of [remembered, parked, retried, settled.payment])
		expect(toRow(columnsOf(payment)).payment).toEqual(payment);
});

test("and no bit of a number can change unseen", () => {
	const columns = columnsOf(life.pin(life.accept(idOf(1), 1990n, startUs), "fallback", 2 ** 33 + 1, startUs / 1000)!);
	const numbers = checkedColumns.filter((name) => columns[name] !== null);
	fc.assert(
		fc.property(fc.constantFrom(...numbers), fc.nat(52), (name, bit) => {
			const flipped = Number(BigInt(columns[name]!) ^ (1n << BigInt(bit)));
			expect(isIntact({ ...columns, [name]: flipped })).toBe(false);
		}),
	);
});
