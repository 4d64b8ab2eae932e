// The public challenge's score of a run, to the cent.
//
// net = amounts − fees; score = net + net × bonus − net × 0.35, the last only where any inconsistency was seen, with
// bonus = max(round₂((11 − round₂(p99 ms)) × 0.02), 0). Counting more payments than were accepted disqualifies.
import { Decimal } from "decimal.js";
import { formatCents } from "../payment/amount.ts";
import { type Processor, processors } from "../payment/payment.ts";
import type { Books } from "./books.ts";

export interface ScoreInput {
	/** What the relay says that it settled. */
	readonly books: Books;
	/** Each processor's fee as decimal text: its part of the amount. */
	readonly feeRates: Readonly<Record<Processor, string>>;
	/** Over all successful HTTP requests of the run; undefined where there were none, which earns no bonus. */
	readonly p99Ms: number | undefined;
	readonly inconsistent: boolean;
	/** Accepted payments. */
	readonly accepted: number;
}

/** Amounts as decimal text. */
export interface Score {
	readonly amount: string;
	readonly fees: string;
	readonly net: string;
	/** Part of the net. */
	readonly bonusRate: number;
	readonly bonus: string;
	readonly penalty: string;
	readonly score: string;
	readonly disqualified: boolean;
}

const Exact = Decimal.clone({ precision: 60, rounding: Decimal.ROUND_HALF_UP });
const p99GoalMs = 11;
const bonusPerMs = "0.02";
const penaltyRate = "0.35";

export function scoreRun({ books, feeRates, p99Ms, inconsistent, accepted }: ScoreInput): Score {
	const amountCents = processors.reduce((sum, one) => sum + books[one].cents, 0n);
	const amount = new Exact(formatCents(amountCents));
	const fees = feesOn(books, feeRates);
	const net = amount.minus(fees);
	const p99 = new Exact(p99Ms ?? p99GoalMs).toDecimalPlaces(2);
	const bonusRate = Exact.max(new Exact(p99GoalMs).minus(p99).mul(bonusPerMs).toDecimalPlaces(2), 0);
	const bonus = net.mul(bonusRate);
	const penalty = inconsistent ? net.mul(penaltyRate) : new Exact(0);
	const counted = processors.reduce((sum, one) => sum + books[one].count, 0);
	return {
		amount: amount.toFixed(2),
		fees: fees.toFixed(2),
		net: net.toFixed(2),
		bonusRate: bonusRate.toNumber(),
		bonus: bonus.toFixed(2),
		penalty: penalty.toFixed(2),
		score: net.plus(bonus).minus(penalty).toFixed(2),
		disqualified: counted > accepted,
	};
}

/** What both processors took. */
export function feesOn(books: Books, feeRates: Readonly<Record<Processor, string>>): Decimal {
	const fees = processors.map((one) => new Exact(formatCents(books[one].cents)).mul(feeRates[one]));
	return fees.reduce((sum, fee) => sum.plus(fee), new Exact(0));
}
