// What a load is made of: ids, amounts, arrivals, timetables, users. All repeatable from a seed.
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { variedAmounts } from "../../src/bench/amounts.ts";
import { arrivals } from "../../src/bench/arrivals.ts";
import type { Driver } from "../../src/bench/driver.ts";
import { createIds } from "../../src/bench/ids.ts";
import { asFastAsAccepted, rampingUsers } from "../../src/bench/loads.ts";
import { createOutcomes, outcomeOfStatus } from "../../src/bench/outcomes.ts";
import type { createPacer } from "../../src/bench/pacer.ts";
import { createRandom, mix32, unmix32 } from "../../src/bench/random.ts";
import { delayMaxMs, randomTimetable } from "../../src/bench/random-timetable.ts";
import { previewTimetable, scaleTimetable } from "../../src/bench/timetable.ts";
import { parsePaymentId } from "../../src/payment/payment.ts";

const nonce = fc.uint8Array({ minLength: 16, maxLength: 16 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });

describe("ids", () => {
	test("every number has a UUID of version 4, which leads back to it", () => {
		fc.assert(
			fc.property(nonce, uint32, (bytes, n) => {
				const ids = createIds(bytes);
				const id = ids.at(n);
				expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
				expect(parsePaymentId(id)).toBe(id);
				expect(ids.numberOf(id)).toBe(n);
			}),
		);
	});

	test("an id of another run, or of nobody, has no number", () => {
		const ids = createIds(new Uint8Array(16).fill(7));
		const others = createIds(new Uint8Array(16).fill(8));
		expect(ids.numberOf(others.at(3))).toBeUndefined();
		expect(ids.numberOf("4a7901b8-7d26-4d9d-aa19-000000000001")).toBeUndefined();
		expect(ids.numberOf("")).toBeUndefined();
	});

	test("neighbours are far apart, as random ids are", () => {
		fc.assert(fc.property(uint32, (n) => unmix32(mix32(n)) === n));
		const ids = createIds(new Uint8Array(16));
		const firstDigits = new Set(Array.from({ length: 200 }, (_, n) => ids.at(n).slice(0, 1)));
		expect(firstDigits.size).toBe(16);
	});
});

test("amounts are payable, and the same again for the same seed", () => {
	fc.assert(
		fc.property(uint32, fc.nat(), (seed, n) => {
			const cents = variedAmounts(seed)(n);
			expect(Number.isInteger(cents) && cents >= 1 && cents <= 100_000).toBe(true);
			expect(variedAmounts(seed)(n)).toBe(cents);
		}),
	);
});

test("outcomes are kept for each payment, however many", () => {
	const outcomes = createOutcomes(2);
	for (let n = 0; n < 5; n++) expect(outcomes.begin()).toBe(n);
	outcomes.end(0, "accepted");
	outcomes.end(4, "unclear");
	expect([0, 1, 4].map(outcomes.of)).toEqual(["accepted", "open", "unclear"]);
	expect([202, 200, 409, 429, 500, 503].map(outcomeOfStatus)).toEqual([
		"accepted",
		"accepted",
		"refused",
		"refused",
		"unclear",
		"unclear",
	]);
});

describe("arrivals", () => {
	test("constant ones are evenly spaced, and none is missing", () => {
		const times = arrivals(1000, 5, "constant", createRandom(1));
		expect([...times]).toEqual([0, 1, 2, 3, 4]);
	});

	test("random ones ascend within the run, have about the rate, and repeat with their seed", () => {
		fc.assert(
			fc.property(uint32, (seed) => {
				const times = arrivals(2000, 1000, "poisson", createRandom(seed));
				expect(times.every((at, i) => at >= (times[i - 1] ?? 0) && at < 1000)).toBe(true);
				expect(Math.abs(times.length - 2000)).toBeLessThan(300);
				expect(arrivals(2000, 1000, "poisson", createRandom(seed))).toEqual(times);
			}),
			{ numRuns: 30 },
		);
	});
});

describe("timetables", () => {
	const seconds = fc.integer({ min: 5, max: 300 });

	test("random ones start at once, stay within the run and the delays, and repeat with their seed", () => {
		fc.assert(
			fc.property(uint32, seconds, (seed, s) => {
				const { timetable } = randomTimetable(seed, s * 1000);
				expect(timetable[0]?.atMs).toBe(0);
				for (const [i, stage] of timetable.entries()) {
					expect(stage.atMs).toBeGreaterThanOrEqual(timetable[i - 1]?.atMs ?? 0);
					expect(stage.atMs).toBeLessThan(s * 1000);
					for (const { delayMs } of [stage.default, stage.fallback]) {
						expect(Number.isInteger(delayMs)).toBe(true);
						expect(delayMs).toBeGreaterThanOrEqual(0);
						expect(delayMs).toBeLessThanOrEqual(delayMaxMs);
					}
				}
				expect(randomTimetable(seed, s * 1000).timetable).toEqual(timetable);
			}),
		);
	});

	test("among twenty seeds are some where processors never recover, and some where they do", () => {
		const kinds = Array.from({ length: 20 }, (_, seed) => randomTimetable(seed + 1, 60_000));
		expect(new Set(kinds.map(({ character }) => character)).size).toBe(4);
		for (const { character, timetable } of kinds) {
			const last = timetable.at(-1)!;
			if (character === "both stay dead") expect(last.default.failing && last.fallback.failing).toBe(true);
			if (character === "one stays dead") expect(last.default.failing || last.fallback.failing).toBe(true);
		}
	});

	test("the public one is stretched to another length", () => {
		expect(scaleTimetable(previewTimetable, 60_000, 6_000).map(({ atMs }) => atMs)).toEqual([
			100, 1000, 2000, 3000, 4000, 5000,
		]);
	});
});

describe("users and backlogs", () => {
	beforeEach(() => {
		vi.useFakeTimers();
	});
	afterEach(() => {
		vi.useRealTimers();
	});

	/** Answers each post after 10 ms; `accept` says with what. */
	function fakeDriver(accept: (n: number) => boolean = () => true) {
		const posts: number[] = [];
		let connections = 0;
		const driver: Driver = {
			connect: (count) => {
				connections += count;
			},
			post(_atMs, _measured, ended) {
				const n = posts.push(performance.now());
				setTimeout(() => ended?.(accept(n)), 10);
			},
			open: () => 0,
			idle: () => Promise.resolve(),
			close: () => Promise.resolve(),
		};
		return { driver, posts, connections: () => connections };
	}

	const fakePacer: typeof createPacer = async (_room, due) => ({
		add: (atMs) => {
			setTimeout(() => due(atMs), atMs - performance.now());
		},
		close: async () => {},
	});

	test("users join evenly, each on a connection of its own, and each posts about once a second until the end", async () => {
		const { driver, posts, connections } = fakeDriver();
		const done = rampingUsers(1, 11, 10_000, 990, fakePacer)(driver, new AbortController().signal);
		await vi.advanceTimersByTimeAsync(0);
		expect(posts).toHaveLength(1);
		await vi.advanceTimersByTimeAsync(4_999);
		expect(connections()).toBe(5);
		await vi.advanceTimersByTimeAsync(20_000);
		await done;
		expect(connections()).toBe(11);
		// 1 + 2 + … + 10 in the ten seconds; whoever joins at the very end has no time left.
		expect(posts).toHaveLength(55);
	});

	test("a stopped run ends at once", async () => {
		const { driver, posts } = fakeDriver();
		const stop = new AbortController();
		const done = rampingUsers(1, 5, 10_000, 990, fakePacer)(driver, stop.signal);
		await vi.advanceTimersByTimeAsync(1_000);
		stop.abort();
		await done;
		const before = posts.length;
		await vi.advanceTimersByTimeAsync(20_000);
		expect(posts).toHaveLength(before);
	});

	test("a backlog counts what was accepted, and makes up for what was not", async () => {
		const { driver, posts } = fakeDriver((n) => n % 4 !== 0);
		const done = asFastAsAccepted(30, 8)(driver, new AbortController().signal);
		await vi.advanceTimersByTimeAsync(10_000);
		await done;
		const accepted = posts.filter((_, i) => (i + 1) % 4 !== 0).length;
		expect(accepted).toBe(30);
	});
});
