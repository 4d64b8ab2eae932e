// The simulated processor's memory: unique ids, exact sums, pages, growth.
import fc from "fast-check";
import { expect, test } from "vitest";
import { createPayments } from "../../src/processor/payments.ts";

/** Half of them alike, so that repeats occur. */
const id = fc.oneof(
	fc.uuid(),
	fc.integer({ min: 0, max: 40 }).map((n) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`),
);
const row = fc.record({ id, cents: fc.maxSafeNat(), us: fc.integer({ min: 0, max: 50 }) });

test("what is stored, summed and listed is what a plain list would hold, also beyond the first room and after a purge", () => {
	fc.assert(
		fc.property(
			fc.array(row, { maxLength: 100 }),
			fc.nat(60),
			fc.nat(60),
			fc.nat(100),
			(rows, fromUs, toUs, purgeAt) => {
				const payments = createPayments(4);
				let model: { id: string; cents: number; us: number }[] = [];
				rows.forEach((each, i) => {
					if (i === purgeAt) {
						payments.clear();
						model = [];
					}
					const fresh = !model.some((known) => known.id === each.id);
					expect(payments.insert(i % 2 ? each.id : each.id.toUpperCase(), each.cents, each.us)).toBe(fresh);
					if (fresh) model.push(each);
				});
				const within = model.filter(({ us }) => us >= fromUs && us <= toUs);
				const total = (some: typeof model) => some.reduce((sum, { cents }) => sum + BigInt(cents), 0n);
				expect(payments.sum({ fromUs, toUs })).toEqual({ count: within.length, cents: total(within) });
				expect(payments.sum()).toEqual({ count: model.length, cents: total(model) });
				expect(payments.page(0, 1000).map(({ correlationId }) => correlationId)).toEqual(
					model.map((known) => known.id),
				);
				for (const [i, known] of model.entries())
					expect(payments.find(known.id.toUpperCase())).toEqual({
						sequence: i + 1,
						correlationId: known.id,
						cents: known.cents,
						requestedAtUs: known.us,
					});
				expect(payments.find("ffffffff-0000-4000-8000-ffffffffffff")).toBeUndefined();
			},
		),
	);
});

test("pages follow each other without gap or repeat", () => {
	const payments = createPayments(8);
	for (let n = 0; n < 25; n++) payments.insert(`00000000-0000-4000-8000-${String(n).padStart(12, "0")}`, n, n);
	const seen: number[] = [];
	for (let page = payments.page(0, 10); page.length > 0; page = payments.page(seen.at(-1)!, 10))
		seen.push(...page.map(({ sequence }) => sequence));
	expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
});
