import { expect, test } from "vitest";
import { createRandom } from "../../../src/bench/random.ts";
import { randomTimetable } from "../../../src/bench/random-timetable.ts";
import type { Case } from "../../../src/bench/regret/case.ts";
import { clairvoyantProfit } from "../../../src/bench/regret/clairvoyant.ts";
import { compare, otherNames, others } from "../../../src/bench/regret/compare.ts";
import { runRelay } from "../../../src/bench/regret/relay.ts";
import { createSite, emptyTally, profitOf, type Tally } from "../../../src/bench/regret/site.ts";
import { createSimulatedTime } from "../../../src/bench/regret/time.ts";
import { judge } from "../../../src/bench/regret/verdict.ts";
import { type Timetable, well } from "../../../src/bench/timetable.ts";
import { createProcessor } from "../../../src/processor/processor.ts";
import { createFakeClock } from "../../fake-clock.ts";

const dead = { delayMs: 0, failing: true };

function caseOf(timetable: Timetable, more: Partial<Case> = {}): Case {
	const arrivals = Float64Array.from({ length: 600 }, (_, n) => n * 50);
	const fees = { default: 0.05, fallback: 0.15 };
	return {
		seed: 1,
		character: "ordinary",
		timetable,
		fees,
		ratePerSecond: 20,
		arrivals,
		loadMs: 30_000,
		endMs: 60_000,
		...more,
	};
}

const paid = ({ charged }: Tally): number => charged.default + charged.fallback;

test("tasks run in the order of time, and in turn where they are due together", () => {
	const time = createSimulatedTime();
	const random = createRandom(7);
	const ran: [number, number][] = [];
	for (let turn = 0; turn < 500; turn++) {
		const ms = Math.floor(random() * 50);
		time.at(ms, () => ran.push([time.nowMs(), turn]));
	}
	const cancel = time.clock.after(10, () => ran.push([-1, -1]));
	cancel();
	time.run(100);
	expect(ran).toHaveLength(500);
	expect(ran).toEqual([...ran].sort(([a, i], [b, j]) => a - b || i - j));
});

test("a processor of a case answers as the simulator does", async () => {
	const loadMs = 40_000;
	for (let seed = 1; seed <= 5; seed++) {
		const { timetable } = randomTimetable(seed, loadMs);
		const random = createRandom(seed);
		const posts = Array.from({ length: 200 }, () => random() * loadMs).sort((a, b) => a - b);

		const time = createSimulatedTime();
		const tally = emptyTally();
		const site = createSite("default", caseOf(timetable, { endMs: Number.POSITIVE_INFINITY }), time, tally);
		const answers: boolean[] = [];
		for (const [n, ms] of posts.entries())
			time.at(ms, () => {
				site.post((charged) => {
					answers[n] = charged;
				});
			});
		time.run(2 * loadMs);

		const clock = createFakeClock();
		const real = createProcessor({ clock });
		const expected: boolean[] = [];
		for (const { atMs, default: condition } of timetable)
			clock.after(atMs, () => Object.assign(real.settings, condition));
		for (const [n, ms] of posts.entries())
			clock.after(ms, () => {
				const id = `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
				const body = `{"correlationId":"${id}","amount":19.9,"requestedAt":"2025-07-15T12:00:00.000Z"}`;
				void real
					.charge(async () => body)
					.then((answer) => {
						expected[n] = answer.kind === "whole" && answer.status === 200;
					});
			});
		await clock.advance(2 * loadMs);
		expect(answers, `seed ${seed}`).toEqual(expected);
		expect(tally.charged.default).toBe(real.payments.count());
	}
});

test("while both are well the relay charges everything at the cheaper one", async () => {
	const one = caseOf([{ atMs: 0, default: well, fallback: well }]);
	expect((await runRelay(one)).charged).toEqual({ default: 600, fallback: 0 });
	expect(clairvoyantProfit(one)).toBeCloseTo(600 * 0.95);
});

test("with the cheaper one dead for good the relay charges everything at the other one", async () => {
	const one = caseOf([{ atMs: 0, default: dead, fallback: well }]);
	expect((await runRelay(one)).charged).toEqual({ default: 0, fallback: 600 });
	expect(paid(others["always default"](one))).toBe(0);
	expect(others["cheapest healthy now"](one).charged.fallback).toBe(600);
	expect(paid(others["the Go reference"](one))).toBe(0);
});

test("a short outage of the cheaper one is waited for", async () => {
	const one = caseOf([
		{ atMs: 0, default: well, fallback: well },
		{ atMs: 10_000, default: dead, fallback: well },
		{ atMs: 18_000, default: well, fallback: well },
	]);
	expect((await runRelay(one)).charged).toEqual({ default: 600, fallback: 0 });
});

test("the same seed gives the same figures, and nobody earns more than the clairvoyant or charges twice", async () => {
	for (const seed of [2, 5]) {
		const { timetable } = randomTimetable(seed, 30_000);
		const one = caseOf(timetable, { seed });
		const relay = await runRelay(one);
		expect(await runRelay(one)).toEqual(relay);
		const bound = clairvoyantProfit(one);
		for (const tally of [relay, ...otherNames.map((name) => others[name](one))]) {
			expect(paid(tally)).toBeLessThanOrEqual(one.arrivals.length);
			expect(profitOf(tally, one)).toBeLessThanOrEqual(bound + 1e-6);
		}
	}
});

test("a case is compared, and where the relay fell behind it is said why", async () => {
	const impatient = await compare(1, 30_000, { route: { patienceMs: 0 } });
	expect(impatient.best).toBe("always default");
	expect(impatient.loss).toMatchObject({ reason: "dearer", best: { fallback: 0, unpaid: 0 } });
	expect(impatient.clairvoyant).toBeGreaterThan(impatient.relay);
});

test("goals that were missed are told", () => {
	const { seed, character, fees, ratePerSecond, loadMs } = caseOf([{ atMs: 0, default: well, fallback: well }]);
	const worse = { "always default": 90, "cheapest healthy now": 80, "the Go reference": 70 };
	const one = {
		one: { seed, character, fees, ratePerSecond, loadMs },
		clairvoyant: 100,
		best: "always default",
		others: worse,
	} as const;
	expect(judge([{ ...one, relay: 99 }]).violations).toEqual([]);
	const loss = {
		part: 0.1,
		reason: "dearer",
		relay: { default: 1, fallback: 1, unpaid: 0 },
		best: { default: 2, fallback: 0, unpaid: 0 },
		longestOutageMs: 9,
	} as const;
	expect(judge([{ ...one, relay: 81, loss }]).violations).toHaveLength(3);
});
