// Payments for tests: ids, and whole lives drawn at random.
import fc from "fast-check";
import * as life from "../../../src/payment/life.ts";
import { type Processor, processors } from "../../../src/payment/payment.ts";

export const startUs = Date.UTC(2025, 6, 15, 12) * 1000;

/** The n-th id: ids in a test are told apart by their last digits. */
export const idOf = (n: number): string => `0f9b3c1e-7d2a-4c55-9e10-${n.toString(16).padStart(12, "0")}`;

export const doubt: life.DoubtPolicy = {
	pauseMinMs: 100,
	pauseMaxMs: 1_000,
	parkAfterMs: 4_000,
	parkedPauseMs: 10_000,
};

export const anyProcessor: fc.Arbitrary<Processor> = fc.constantFrom(...processors);
export const anyAmount: fc.Arbitrary<bigint> = fc.oneof(
	{ weight: 4, arbitrary: fc.bigInt(1n, 10_000n) },
	fc.constantFrom(1n, 2n ** 32n - 1n, 2n ** 32n, 99_999_999_999n),
);

type Step = (payment: life.Payment, token: number, nowMs: number) => life.Payment;

const anyStep: fc.Arbitrary<Step> = fc.oneof(
	anyProcessor.map(
		(processor): Step =>
			(payment, token, nowMs) =>
				life.pin(payment, processor, token, nowMs) ?? payment,
	),
	fc.constantFrom<life.AttemptResult>("unasked", "none", "not_charged", "unknown").map(
		(result): Step =>
			(payment, _, nowMs) => {
				return life.release(payment, payment.openAttempt, result, { nowMs, random: 0.3 }, doubt);
			},
	),
	fc.tuple(fc.option(anyAmount), fc.nat(3)).map(
		([amount, later]): Step =>
			(payment, _, nowMs) => {
				if (!payment.pin) return payment;
				const requestedAtUs = payment.pin.requestedAtUs + later;
				const charge = { ...payment.pin, requestedAtUs, amountCents: amount ?? payment.amountCents };
				const settled = life.settle(payment, charge, nowMs * 1000);
				return "payment" in settled ? settled.payment : payment;
			},
	),
	fc.constantFrom<life.Resolution["decision"]>("retry", "give_up").map(
		(decision): Step =>
			(payment, _, nowMs) => {
				return (
					life.resolve(payment, { decision, who: "Zoë", why: 'it\'s "so"', atUs: nowMs * 1000 }, undefined) ?? payment
				);
			},
	),
);

/** A payment somewhere in its life, with all that came before; `id` is for the caller to choose. */
export const anyLife: fc.Arbitrary<(id: string) => life.Payment[]> = fc
	.tuple(
		anyAmount,
		fc.option(anyProcessor, { freq: 4, nil: undefined }),
		fc.array(fc.tuple(anyStep, fc.nat(6_000)), { maxLength: 12 }),
	)
	.map(([amountCents, remembered, steps]) => (id: string) => {
		let nowMs = startUs / 1000;
		const all = [
			remembered ? life.acceptInDoubt(id, amountCents, remembered, nowMs) : life.accept(id, amountCents, startUs + 7),
		];
		for (const [token, [step, passedMs]] of steps.entries()) {
			nowMs += passedMs + 0.25;
			all.push(step(all.at(-1) as life.Payment, 2 ** 40 + token, nowMs));
		}
		return all;
	});
