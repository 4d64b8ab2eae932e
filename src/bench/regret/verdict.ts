// What many cases say of the relay's router: its regret, its losses, and whether that is as good as it should be.
import type { Figure } from "../results.ts";
import { type Comparison, lossMin, type Other, otherNames, type Reason, reasons } from "./compare.ts";

/** Of the clairvoyant's profit, in the mean over the cases. */
const ratioGoal = 0.98;
/** At most this part of the cases may be losses. */
const lossesGoal = 0.05;

export interface Verdict {
	/** Each router's profit as a part of the clairvoyant's: the mean over the cases, and of all money. */
	readonly routers: readonly { readonly name: string; readonly meanRatio: number; readonly moneyRatio: number }[];
	/** The best of the others in each case, which no single router is. */
	readonly bestOfOthersRatio: number;
	readonly lossShare: number;
	readonly losses: Readonly<Record<Reason, number>>;
	readonly violations: readonly string[];
}

export function judge(cases: readonly Comparison[]): Verdict {
	// Where nobody can earn anything there is nothing to compare.
	const counted = cases.filter(({ clairvoyant }) => clairvoyant > 0);
	const mean = (of: (one: Comparison) => number) => counted.reduce((sum, one) => sum + of(one), 0) / counted.length;
	const router = (name: string, profit: (one: Comparison) => number) => ({
		name,
		meanRatio: mean((one) => profit(one) / one.clairvoyant),
		moneyRatio: mean(profit) / mean((one) => one.clairvoyant),
	});
	const relay = router("the relay", (one) => one.relay);
	const rest = otherNames.map((name: Other) => router(name, (one) => one.others[name]));
	const lossShare = mean((one) => (one.loss ? 1 : 0));
	const losses = Object.fromEntries(
		Object.keys(reasons).map((reason) => [reason, counted.filter(({ loss }) => loss?.reason === reason).length]),
	) as Record<Reason, number>;

	const violations: string[] = [];
	if (!(relay.meanRatio >= ratioGoal))
		violations.push(
			`the relay earned ${percent(relay.meanRatio)} of the clairvoyant's profit, not ${percent(ratioGoal)}`,
		);
	for (const { name, meanRatio } of rest)
		if (!(relay.meanRatio > meanRatio))
			violations.push(`"${name}" earned ${percent(meanRatio)}, no less than the relay`);
	if (!(lossShare <= lossesGoal))
		violations.push(
			`the relay was more than ${percent(lossMin)} below the best of the others in ${percent(lossShare)} of the cases, not at most ${percent(lossesGoal)}`,
		);
	return {
		routers: [relay, ...rest],
		bestOfOthersRatio: mean((one) => one.others[one.best] / one.clairvoyant),
		lossShare,
		losses,
		violations,
	};
}

export function figuresOf(verdict: Verdict): Figure[] {
	return [
		...verdict.routers.map(({ name, meanRatio }) => ({
			name: `profit of ${name}, of the clairvoyant's, mean`,
			value: Number((100 * meanRatio).toFixed(2)),
			unit: "%",
		})),
		{
			name: `timetables on which the relay is more than ${percent(lossMin)} below the best of the others`,
			value: Number((100 * verdict.lossShare).toFixed(1)),
			unit: "%",
		},
	];
}

export function tellVerdict(verdict: Verdict): string[][] {
	return [
		["router", "mean of profit / clairvoyant's", "all profit / clairvoyant's"],
		...verdict.routers.map(({ name, meanRatio, moneyRatio }) => [name, percent(meanRatio), percent(moneyRatio)]),
		["the best of the others in each case", percent(verdict.bestOfOthersRatio), ""],
	];
}

/** One line a loss, the worst first: the seed repeats it. */
export function tellLosses(cases: readonly Comparison[]): string[][] {
	const lost = cases.flatMap(({ one, loss, best }) => (loss ? [{ one, loss, best }] : []));
	lost.sort((a, b) => b.loss.part - a.loss.part);
	const amounts = (of: { default: number; fallback: number; unpaid: number }): string =>
		`${of.default} / ${of.fallback} / ${of.unpaid}`;
	return [
		[
			"seed",
			"timetable",
			"s",
			"payments/s",
			"fees",
			"below",
			"relay: default / fallback / unpaid",
			"best",
			"",
			"longest outage s",
			"it",
		],
		...lost.map(({ one, loss, best }) => [
			String(one.seed),
			one.character,
			(one.loadMs / 1000).toFixed(0),
			one.ratePerSecond.toFixed(0),
			`${one.fees.default}/${one.fees.fallback}`,
			percent(loss.part),
			amounts(loss.relay),
			best,
			amounts(loss.best),
			(loss.longestOutageMs / 1000).toFixed(0),
			reasons[loss.reason],
		]),
	];
}

function percent(part: number): string {
	return `${(100 * part).toFixed(2)} %`;
}
