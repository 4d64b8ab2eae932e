// How the bench judges: the challenge's score, the audit of a window, the audit by id, and what it reads from others.
import { describe, expect, test } from "vitest";
import { audit, judge } from "../../src/bench/audit.ts";
import { auditById, createTally, faultsOf } from "../../src/bench/audit-by-id.ts";
import { type Books, booksOf, totalsOf } from "../../src/bench/books.ts";
import { createIds } from "../../src/bench/ids.ts";
import { createMeter } from "../../src/bench/meter.ts";
import { createOutcomes } from "../../src/bench/outcomes.ts";
import { nameOf } from "../../src/bench/processes.ts";
import { createRandom } from "../../src/bench/random.ts";
import { parseMetrics } from "../../src/bench/relay-client.ts";
import { toJson } from "../../src/bench/results.ts";
import { drainFigures } from "../../src/bench/scenarios/drain.ts";
import { scoreRun } from "../../src/bench/score.ts";
import { randomWindows } from "../../src/bench/settling.ts";

const books = (atDefault: [number, bigint], atFallback: [number, bigint] = [0, 0n]): Books => ({
	default: { count: atDefault[0], cents: atDefault[1] },
	fallback: { count: atFallback[0], cents: atFallback[1] },
});
const feeRates = { default: "0.05", fallback: "0.15" };

describe("the score", () => {
	// 1000 × 19.90 at 5 % and 100 × 19.90 at 15 %: 21890 − 995 − 298.50 = 20596.50.
	const settled = books([1000, 1_990_000n], [100, 199_000n]);

	test("is the net and a bonus for a swift p99", () => {
		const score = scoreRun({ books: settled, feeRates, p99Ms: 2.5, inconsistent: false, accepted: 1100 });
		expect(score).toEqual({
			amount: "21890.00",
			fees: "1293.50",
			net: "20596.50",
			bonusRate: 0.17, // (11 − 2.5) × 0.02
			bonus: "3501.41", // 3501.405, half up
			penalty: "0.00",
			score: "24097.91", // 24097.905
			disqualified: false,
		});
	});

	test("loses 35 % of the net where the books differed, and has no bonus from 11 ms on", () => {
		const score = scoreRun({ books: settled, feeRates, p99Ms: 70.2, inconsistent: true, accepted: 1100 });
		expect([score.bonusRate, score.bonus, score.penalty, score.score]).toEqual([0, "0.00", "7208.78", "13387.73"]);
	});

	test("rounds the p99 first, and then the rate", () => {
		const rate = (p99Ms: number | undefined): number =>
			scoreRun({ books: settled, feeRates, p99Ms, inconsistent: false, accepted: 1100 }).bonusRate;
		expect([0, 1.244, 1.2549, 10.76, 10.7501, 11, 12].map(rate)).toEqual([0.22, 0.2, 0.2, 0, 0.01, 0, 0]);
		expect(rate(undefined)).toBe(0);
	});

	test("is void where more was counted than accepted", () => {
		expect(scoreRun({ books: settled, feeRates, p99Ms: 1, inconsistent: false, accepted: 1099 }).disqualified).toBe(
			true,
		);
	});
});

describe("the audit of a window", () => {
	const same = books([10, 19_900n], [2, 3_980n]);

	test("agrees where all readings are the same", () => {
		expect(judge({ before: same, atOnce: same, relay: same, after: same })).toEqual({
			plainCount: 0,
			plainCents: 0n,
			violations: [],
		});
	});

	test("lets the relay lie between two readings, and counts the plain difference beside it", () => {
		const later = books([12, 23_880n], [2, 3_980n]);
		const between = books([11, 21_890n], [2, 3_980n]);
		const judged = judge({ before: same, atOnce: between, relay: between, after: later });
		expect(judged).toEqual({ plainCount: 1, plainCents: 1_990n, violations: [] });
	});

	const wrong: [string, Books][] = [
		["a payment too many", books([11, 21_890n], [2, 3_980n])],
		["a payment too few", books([9, 17_910n], [2, 3_980n])],
		["a cent too much", books([10, 19_901n], [2, 3_980n])],
		["a cent too little at the other processor", books([10, 19_900n], [2, 3_979n])],
	];
	test.each(wrong)("objects to %s", (_, relay) => {
		expect(judge({ before: same, atOnce: same, relay, after: same }).violations).toHaveLength(1);
	});

	test("objects to a total that is no whole number of cents", () => {
		const relay = booksOf(
			'{"default":{"totalRequests":10,"totalAmount":199.00000000000003},"fallback":{"totalRequests":2,"totalAmount":39.8}}',
		);
		const { violations } = judge({ before: same, atOnce: same, relay, after: same });
		expect(violations).toEqual(["default: the relay's total is no whole number of cents: 199.00000000000003"]);
	});

	test("tells how long the books took to agree again", async () => {
		const short = books([9, 17_910n], [2, 3_980n]);
		let asked = 0;
		const audited = {
			relay: { books: async () => (asked++ < 3 ? short : same) },
			processors: {
				default: { totals: async () => same.default },
				fallback: { totals: async () => same.fallback },
			},
		};
		const window = { from: "2026-01-01T00:00:00.000Z", to: "2026-01-01T00:00:10.000Z" };
		const pauses: number[] = [];
		const found = await audit(audited, window, 10_000, 50, async (ms) => void pauses.push(ms));
		expect(found.violations).toHaveLength(1);
		expect(found.agreedAfterMs).toBeGreaterThanOrEqual(0);
		expect(pauses).toEqual([50, 50]);
	});
});

describe("the audit by id", () => {
	const ids = createIds(new Uint8Array(16).fill(3));
	const amounts = (): number => 500;
	const charge = (n: number, cents = 500) => ({ id: ids.at(n), cents, requestedAt: "2026-01-01T00:00:00.5" });
	function posted(...ends: ("accepted" | "refused" | "unclear")[]) {
		const outcomes = createOutcomes();
		for (const outcome of ends) outcomes.end(outcomes.begin(), outcome);
		return { ids, amounts, outcomes };
	}

	test("finds nothing where each was charged once, and an unclear one not at all or once", () => {
		const tally = createTally(posted("accepted", "unclear", "unclear", "refused", "accepted"));
		for (const n of [0, 1]) tally.take("default", charge(n));
		tally.take("fallback", charge(4));
		const found = tally.result();
		expect(faultsOf(found)).toEqual([]);
		expect(found).toMatchObject({ unclear: 2, unclearCharged: 1 });
	});

	test("finds what is unpaid, doubled, altered, invented, or charged after a refusal, and names it", () => {
		const tally = createTally(posted("accepted", "accepted", "accepted", "unclear", "refused"));
		tally.take("default", charge(1));
		tally.take("fallback", charge(1));
		tally.take("default", charge(2, 501));
		tally.take("default", charge(3));
		tally.take("fallback", charge(3));
		tally.take("default", charge(4));
		tally.take("default", charge(99));
		const found = tally.result();
		expect(found).toMatchObject({ unpaid: 1, doubled: 2, wrongAmount: 1, neverPosted: 1, refusedButCharged: 1 });
		expect(faultsOf(found)).toHaveLength(5);
		expect(found.unpaidIds).toEqual([ids.at(0)]);
		expect(found.examples).toContain(`${ids.at(2)} was posted with 500 cents, and charged at default with 501`);
	});

	test("asks payment by payment where a processor has no listing", async () => {
		const all = posted("accepted", "accepted", "accepted");
		const has = (...numbers: number[]) => ({
			list: async () => undefined,
			find: async (id: string) => (numbers.includes(ids.numberOf(id)!) ? charge(ids.numberOf(id)!) : undefined),
		});
		const found = await auditById({ default: has(0, 1), fallback: has(1) }, all);
		expect(found).toMatchObject({ unpaid: 1, doubled: 1 });
	});
});

describe("what is read and written", () => {
	test("totals are exact, however large", () => {
		const read = booksOf(
			'{"default":{"totalRequests":3,"totalAmount":90071992547409931.29},"fallback":{"totalRequests":0,"totalAmount":0}}',
		);
		expect(read).toEqual(books([3, 9_007_199_254_740_993_129n]));
		expect(toJson(read.default)).toContain('"90071992547409931.29"');
	});

	test("an answer without totals is an error, and no zero", () => {
		expect(() => totalsOf(undefined)).toThrow("no totals");
		expect(() => totalsOf({ totalRequests: "1" })).toThrow("no totals");
	});

	test("metrics are read with their labels", () => {
		const found = parseMetrics('# HELP a b\npayrelay_retries_total 5\nq{state="waiting"} 1e3\n\n');
		expect([...found]).toEqual([
			["payrelay_retries_total", 5],
			['q{state="waiting"}', 1000],
		]);
	});

	test("processes are known by what follows main.ts on their command line", () => {
		const name = (...words: string[]): string => nameOf(`${words.join("\0")}\0`);
		expect(name("/usr/bin/node", "/app/src/main.ts", "cache")).toBe("cache");
		expect(name("deno", "run", "-A", "/app/src/main.ts", "processor", "default")).toBe("processor default");
		expect(name("node", "--single-threaded", "src/main.ts", "api", "--port", "9999")).toBe("api");
		expect(name("node", "src/main.ts")).toBe("supervisor");
		expect(name("nginx: worker process")).toBe("nginx");
	});
});

test("windows to compare begin before they end, and some at the very moments that processors recorded", () => {
	const moments = ["2026-01-01T00:00:00.5", "2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00.12Z"];
	const windows = randomWindows(40, 1_000, 2_000, moments, createRandom(5));
	expect(windows).toHaveLength(40);
	const at = (text: string): number => Date.parse(text);
	expect(windows.every(({ from, to }) => at(from) <= at(to))).toBe(true);
	expect(windows.some(({ from, to }) => from === to)).toBe(true);
	expect(windows.some(({ from }) => from === "2026-01-01T00:00:00.123456Z")).toBe(true);
});

test("a meter counts everything, and leaves a warm-up's latency out", () => {
	const meter = createMeter();
	expect(meter.latency()).toMatchObject({ count: 0, p50: undefined, p99: undefined, max: undefined });
	for (let i = 0; i < 3; i++) meter.due(0.1);
	for (let i = 0; i < 3; i++) meter.sent(7);
	meter.accepted(100, false);
	meter.accepted(2, true);
	meter.failed("time-out");
	meter.beside(4);
	expect(meter.counts()).toEqual({ sent: 3, accepted: 2, failed: { "time-out": 1 } });
	expect(meter.latency()).toMatchObject({ count: 1, p50: 2, max: 2 });
	expect(meter.httpLatency()).toMatchObject({ count: 2, max: 4 });
	expect(meter.lateness()).toMatchObject({ count: 3, max: 0.1 });
	expect(meter.waiting()).toMatchObject({ count: 3, max: 7 });
	expect(meter.interval()).toMatchObject({ sent: 3, accepted: 2, failed: { "time-out": 1 }, lateMs: 0.1 });
	meter.failed("time-out");
	expect(meter.interval()).toMatchObject({ sent: 0, accepted: 0, failed: { "time-out": 1 }, latency: { count: 0 } });
});

test("a drained backlog's rate leaves out its ends; one that is not drained says so", () => {
	const progress = [0, 0, 40, 500, 960, 1000].map((charged, i) => ({ atMs: i * 100, charged }));
	const value = (name: string): number | undefined =>
		drainFigures(1000, progress).find((one) => one.name.includes(name))?.value;
	expect(value("first charges")).toBe(200);
	expect(value("all charged")).toBe(500);
	expect(value("between 5 and 95")).toBe(4600);
	expect(drainFigures(2000, progress)[0]?.name).toContain("not drained");
});
