// What a run's payments are worth: a function of the payment's number, so that nothing has to be remembered.
import { mix32 } from "./random.ts";

/** Cents of the run's payment `n`. */
export type Amounts = (n: number) => number;

/** Of every payment of the public load script: 19.90. */
export const publicAmountCents = 1990;

export function sameAmount(cents: number): Amounts {
	return () => cents;
}

/** 0.01 to 1000.00, so that a sum shows which payment is missing. */
export function variedAmounts(seed: number): Amounts {
	return (n) => 1 + (mix32(n ^ seed) % 100_000);
}
