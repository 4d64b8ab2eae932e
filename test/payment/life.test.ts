// A payment's life, rule by rule, and over any order of what may happen to it.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as life from "../../src/payment/life.ts";
import type { Processor } from "../../src/payment/payment.ts";

const policy: life.DoubtPolicy = { pauseMinMs: 100, pauseMaxMs: 1_000, parkAfterMs: 4_000, parkedPauseMs: 10_000 };
const id = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const startMs = 1_000_000;

const accepted = life.accept(id, 1990n, startMs * 1000);
const pinned = life.pin(accepted, "default", 1, startMs)!;
const at = (nowMs: number, random = 0): life.Moment => ({ nowMs, random });
const release = (payment: life.Payment, token: number, result: life.AttemptResult, nowMs = startMs) =>
	life.release(payment, token, result, at(nowMs), policy);
const inDoubt = release(pinned, 1, "unknown");
const parked = release(inDoubt, 2, "none", startMs + policy.parkAfterMs);
const charge: life.Charge = { ...pinned.pin!, amountCents: 1990n };
const elsewhere: life.Charge = { ...charge, processor: "fallback" };
const decide = (payment: life.Payment, decision: life.Resolution["decision"], of?: life.Charge, nowMs = startMs) =>
	life.resolve(payment, { decision, who: "an operator", why: "looked it up", atUs: nowMs * 1000 }, of);
const settled = (payment: life.Payment, of = charge): life.Payment => {
	const outcome = life.settle(payment, of, startMs * 1000 + 5);
	if (!("payment" in outcome)) throw new Error(outcome.unchanged);
	return outcome.payment;
};
const givenUp = decide(parked, "give_up")!;

describe("who may be asked", () => {
	test("every POST under a pin has its moment, a whole millisecond", () => {
		const first = life.pin(accepted, "default", 1, startMs + 0.6)!;
		expect(first.pin).toEqual({ processor: "default", requestedAtUs: startMs * 1000 });
		const again = life.pin(release(first, 1, "unknown"), "default", 2, startMs + 50)!;
		expect(again.pin).toEqual(first.pin);
		expect(life.pin(again, "default", 2, startMs + 60), "asked for twice, it is one attempt").toBe(again);
		const remembered = life.acceptInDoubt(id, 1990n, "fallback", startMs + 0.6);
		expect(remembered.pin).toEqual({ processor: "fallback", requestedAtUs: startMs * 1000 });
	});

	test("nobody, once the payment is settled or given up", () => {
		for (const ended of [settled(pinned), givenUp])
			for (const processor of ["default", "fallback"] as const)
				expect(life.pin(ended, processor, 9, startMs)).toBeUndefined();
	});

	test("nobody else while an attempt is open or its outcome unknown; anybody after proof", () => {
		for (const bound of [pinned, inDoubt, parked]) expect(life.pin(bound, "fallback", 9, startMs)).toBeUndefined();
		const proved = release(pinned, 1, "not_charged");
		expect(proved).toMatchObject({ state: "accepted", openAttempt: 0 });
		expect(life.pin(proved, "fallback", 9, startMs)?.pin?.processor).toBe("fallback");
	});

	test("only proof lifts a pin: a lease given back without a word on its open attempt leaves it in doubt", () => {
		for (const result of ["unasked", "none", "unknown"] as const)
			expect(release(pinned, 1, result)).toMatchObject({ state: "in_doubt", pin: pinned.pin });
	});

	test("what is said under another token than the open attempt's ends nothing", () => {
		for (const result of ["unasked", "none", "not_charged", "unknown"] as const)
			expect(release(pinned, 99, result)).toBe(pinned);
	});
});

test("whatever happens: an unknown outcome binds for good, and every attempt and its end is told", () => {
	type Step = readonly ["pin", Processor] | readonly ["release", boolean, life.AttemptResult] | readonly [string];
	const anyProcessor = fc.constantFrom<Processor>("default", "fallback");
	const anyResult = fc.constantFrom<life.AttemptResult>("unasked", "none", "not_charged", "unknown");
	const anyStep = fc.oneof(
		{ weight: 4, arbitrary: fc.tuple(fc.constant("pin" as const), anyProcessor) },
		{ weight: 4, arbitrary: fc.tuple(fc.constant("release" as const), fc.boolean(), anyResult) },
		fc.constantFrom<Step>(["settle"], ["retry"], ["give_up"]),
	);
	fc.assert(
		fc.property(fc.array(fc.tuple(anyStep, fc.nat(3_000)), { maxLength: 40 }), (steps) => {
			let payment = accepted;
			let nowMs = startMs;
			let bound: life.Pin | undefined;
			const ended: (readonly [token: number, state: string])[] = [];
			for (const [n, [[kind, first, result], passedMs]] of steps.entries()) {
				nowMs += passedMs;
				const before = payment;
				const token = n + 1;
				const open = before.openAttempt;
				let end: string | undefined;
				if (kind === "pin") {
					payment = life.pin(before, first as Processor, token, nowMs) ?? before;
					if (payment !== before) end = "unknown";
				} else if (kind === "release") {
					payment = release(before, first ? open : token, result!, nowMs);
					if (first && payment !== before) end = result === "not_charged" ? result : "unknown";
				} else if (kind === "settle") {
					const outcome = life.settle(before, { ...charge, ...(before.pin ?? before.charge) }, nowMs * 1000);
					if ("payment" in outcome) payment = outcome.payment;
					if (payment !== before) end = "charged";
				} else {
					payment = decide(before, kind as "retry" | "give_up", undefined, nowMs) ?? before;
					if (payment.state === "given_up" && payment !== before) end = "unknown";
				}
				if (end && open !== 0) ended.push([open, end]);
				if (bound) expect(payment.charge ?? payment.pin).toMatchObject(bound);
				if (end === "unknown" && open !== 0) bound ??= before.pin;
				const told = ended.length <= 8 ? ended : [ended[0], ...ended.slice(-7)];
				expect(payment.attemptLog.map((attempt) => [attempt.token, attempt.state])).toEqual(told);
				expect(payment.attempts).toBe(ended.length + (payment.openAttempt === 0 ? 0 : 1));
			}
		}),
		{ numRuns: 500 },
	);
});

test("of many attempts the first and the last are told", () => {
	let payment = accepted;
	for (let token = 1; token <= 12; token++)
		payment = release(life.pin(payment, "default", token, startMs)!, token, "not_charged");
	expect(payment.attempts).toBe(12);
	expect(payment.attemptLog.map(({ token }) => token)).toEqual([1, 6, 7, 8, 9, 10, 11, 12]);
});

describe("in the books", () => {
	test("a charge as asked for is not flagged, and nothing of its doubt is left", () => {
		for (const payment of [pinned, inDoubt, parked]) {
			const done = settled(payment);
			expect(done).toMatchObject({ state: "settled", charge, flagged: false });
			for (const gone of ["pin", "dueAtMs", "doubtSinceMs"]) expect(done).not.toHaveProperty(gone);
		}
	});

	test("another amount, another moment, or a payment that was given up: somebody should look", () => {
		expect(settled(pinned, { ...charge, amountCents: 1989n }).flagged).toBe(true);
		expect(settled(pinned, { ...charge, requestedAtUs: charge.requestedAtUs + 1 }).flagged).toBe(true);
		expect(settled(givenUp).flagged).toBe(true);
	});

	test("what is settled is settled once, and no charge elsewhere is taken for it", () => {
		expect(life.settle(settled(pinned), charge, startMs)).toEqual({ unchanged: "repeated" });
		for (const payment of [accepted, pinned, inDoubt, parked, givenUp, settled(pinned)])
			expect(life.settle(payment, elsewhere, startMs)).toEqual({ unchanged: "refused" });
	});

	test("a lease that ends late changes nothing of what is settled or given up", () => {
		for (const ended of [settled(pinned), givenUp])
			for (const result of ["unasked", "none", "not_charged", "unknown"] as const)
				for (const token of [0, 1, 9]) expect(release(ended, token, result)).toBe(ended);
	});
});

describe("a person decides", () => {
	test("on parked payments only", () => {
		for (const payment of [accepted, pinned, inDoubt, givenUp, settled(pinned)])
			for (const decision of ["retry", "give_up", "settle"] as const)
				expect(decide(payment, decision, charge)).toBeUndefined();
	});

	test("to retry: it is due at once, and its pauses and the time to its parking begin anew", () => {
		const laterMs = startMs + 60_000;
		const retried = decide(parked, "retry", undefined, laterMs)!;
		expect(retried).toMatchObject({ state: "in_doubt", dueAtMs: laterMs, pin: parked.pin });
		const askedMs = laterMs + policy.parkAfterMs - 1;
		expect(release(retried, 3, "none", askedMs)).toMatchObject({ state: "in_doubt", dueAtMs: askedMs + 50 });
	});

	test("to give up: nobody is asked any more, and an attempt that was open is told as unknown", () => {
		const asked = decide(life.pin(parked, "default", 3, startMs)!, "give_up")!;
		expect(asked).toMatchObject({ state: "given_up", openAttempt: 0, pin: parked.pin });
		expect(asked.attemptLog.at(-1)).toMatchObject({ token: 3, state: "unknown" });
		expect(asked).not.toHaveProperty("dueAtMs");
	});

	test("to settle: with a charge at the processor that it is bound to, and the decision stays with it", () => {
		expect(decide(parked, "settle")).toBeUndefined();
		expect(decide(parked, "settle", elsewhere)).toBeUndefined();
		expect(decide(parked, "settle", charge)).toMatchObject({ state: "settled", resolution: { who: "an operator" } });
	});
});

describe("in doubt it waits", () => {
	test("for pauses that double up to a bound, with jitter between half and full", () => {
		const pauses = (random: number) => {
			let payment = inDoubt;
			return Array.from({ length: 6 }, (_, n) => {
				payment = life.release(payment, n + 2, "none", at(startMs, random), policy);
				return payment.dueAtMs! - startMs;
			});
		};
		expect(inDoubt.dueAtMs).toBe(startMs + 50);
		expect(pauses(0)).toEqual([100, 200, 400, 500, 500, 500]);
		expect(pauses(1)).toEqual([200, 400, 800, 1000, 1000, 1000]);
	});

	test("until it is parked, that long after the doubt began, and stays parked", () => {
		const before = release(inDoubt, 2, "none", startMs + policy.parkAfterMs - 1);
		expect(before.state).toBe("in_doubt");
		expect(release(before, 3, "none", startMs + policy.parkAfterMs)).toMatchObject({
			state: "parked",
			dueAtMs: startMs + policy.parkAfterMs + 5_000,
		});
		const setBack = release(parked, 3, "unknown", startMs + 1);
		expect(setBack).toMatchObject({ state: "parked", dueAtMs: startMs + 1 + 5_000 });
	});

	test("as long again as before where it had no turn: neither further back nor parked for it", () => {
		const asked = release(inDoubt, 2, "none");
		const turnedAway = release(asked, 3, "unasked", startMs + 60_000);
		expect(turnedAway).toEqual({ ...asked, dueAtMs: startMs + 60_000 + 100 });
		expect(release(parked, 3, "unasked")).toEqual({ ...parked, dueAtMs: startMs + 5_000 });
	});

	test("less where its processor charges again, but never more; what is parked is left where it is", () => {
		expect(life.hasten(inDoubt, startMs + 10)).toEqual({ ...inDoubt, dueAtMs: startMs + 10 });
		expect(life.hasten(inDoubt, startMs + 51)).toBe(inDoubt);
		for (const payment of [accepted, pinned, parked, givenUp]) expect(life.hasten(payment, startMs)).toBe(payment);
	});
});
