import { expect, test } from "vitest";
import { breakerDefaults, createBreaker } from "../../src/consumer/breaker.ts";
import { createFakeClock } from "../fake-clock.ts";

/** `pauseAfter`: how long the next probe waits after one with this outcome, ms; nearly the longest that it may. */
function openBreaker() {
	const clock = createFakeClock();
	const breaker = createBreaker(breakerDefaults, clock, () => 0.999);
	breaker.warn();
	const pauseAfter = (outcome: "not_charged" | "unknown"): number => {
		breaker.probe("probe");
		breaker.record(outcome, "probe");
		return breaker.probeAtMs - clock.monotonic();
	};
	return { breaker, pauseAfter };
}

test("without other settings the fifth failure in a row opens it, or the tenth of the last twenty outcomes", async () => {
	const clock = createFakeClock();
	const [inARow, byShare] = [0, 1].map(() => createBreaker(breakerDefaults, clock, () => 0.5));
	for (let i = 0; i < 4; i++) inARow!.record("not_charged", "earlier");
	expect(inARow!.state).toBe("closed");
	inARow!.record("not_charged", "earlier");
	expect(inARow!.state).toBe("open");
	const alternate = (count: number) => {
		for (let i = 0; i < count; i++) byShare!.record(i % 2 === 0 ? "charged" : "not_charged", "earlier");
	};
	alternate(19);
	await clock.advance(2_000);
	alternate(19);
	expect(byShare!.state, "what is older than two seconds does not count").toBe("closed");
	byShare!.record("not_charged", "earlier");
	expect(byShare!.state).toBe("open");
});

test("without other settings a processor does well where no more than a tenth of ten failed", () => {
	const breaker = createBreaker(breakerDefaults, createFakeClock(), () => 0.5);
	for (let i = 0; i < 9; i++) breaker.record("charged", "earlier");
	expect(breaker.well, "too few").toBe(false);
	breaker.record("not_charged", "earlier");
	expect(breaker.well).toBe(true);
	breaker.record("not_charged", "earlier");
	expect(breaker.well).toBe(false);
});

test("it opens after failures in a row, and a success in between starts the count anew", () => {
	const breaker = createBreaker(breakerDefaults, createFakeClock(), () => 0.5);
	for (let i = 0; i < breakerDefaults.failuresMax - 1; i++) breaker.record("not_charged", "earlier");
	breaker.record("charged", "earlier");
	for (let i = 0; i < breakerDefaults.failuresMax - 1; i++) breaker.record("not_charged", "earlier");
	expect(breaker.state).toBe("closed");
	breaker.record("not_charged", "earlier");
	expect(breaker.state).toBe("open");
});

test("a processor that turns half of what it gets away is kept away from, and what was under way changes nothing", async () => {
	const clock = createFakeClock();
	const breaker = createBreaker(breakerDefaults, clock, () => 0.5);
	for (let i = 0; i < breakerDefaults.outcomesMin - 1; i++)
		breaker.record(i % 2 === 0 ? "not_charged" : "charged", "earlier");
	expect(breaker.state).toBe("closed");
	breaker.record("not_charged", "earlier");
	expect(breaker.state).toBe("open");
	breaker.record("charged", "earlier");
	expect(breaker.state).toBe("open");
	breaker.probe("probe");
	breaker.record("charged", "probe");
	expect(breaker.state).toBe("closed");
	for (let i = 0; i < 100; i++) breaker.record(i % 3 === 0 ? "not_charged" : "charged", "earlier");
	expect(breaker.state, "a third is borne").toBe("closed");
});

test("a processor does well again once its failures are of the past", async () => {
	const clock = createFakeClock();
	const breaker = createBreaker(breakerDefaults, clock, () => 0.5);
	expect(breaker.well, "nothing is known").toBe(false);
	for (let i = 0; i < 30; i++) breaker.record(i % 3 === 0 ? "not_charged" : "charged", "earlier");
	expect(breaker.well).toBe(false);
	await clock.advance(2 * breakerDefaults.windowMs);
	for (let i = 0; i < 20; i++) breaker.record(i === 0 ? "not_charged" : "charged", "earlier");
	expect(breaker.well).toBe(true);
	await clock.advance(2 * breakerDefaults.windowMs);
	expect(breaker.well, "what is old says nothing").toBe(false);
});

test.each([
	"not_charged",
	"unknown",
] as const)("one probe at a time, with pauses that grow as far as %s lets them, until one succeeds", async (failure) => {
	const { baseMs, maxMs } = breakerDefaults.pauses[failure];
	const growing = Math.floor(Math.log2(maxMs / baseMs));
	const clock = createFakeClock();
	const breaker = createBreaker(breakerDefaults, clock, () => 0.999);
	for (let i = 0; i < breakerDefaults.failuresMax; i++) breaker.record(failure, "earlier");
	const pauses: number[] = [];
	for (let i = 0; i < 8; i++) {
		pauses.push(breaker.probeAtMs - clock.monotonic());
		await clock.advance(pauses[i] as number);
		breaker.probe("probe");
		expect(breaker.state).toBe("probing");
		breaker.record(failure, "probe");
		expect(breaker.state).toBe("open");
	}
	for (let i = 1; i <= growing; i++) expect(pauses[i]).toBeGreaterThan(pauses[i - 1] as number);
	expect(Math.max(...pauses)).toBeLessThanOrEqual(maxMs + breakerDefaults.probeMinMs);
	expect(Math.max(...pauses)).toBeGreaterThan(0.9 * maxMs);
	expect(breaker.openedAtMs).toBe(0);
	breaker.hope();
	expect(breaker.probeAtMs).toBeLessThanOrEqual(clock.monotonic());
	breaker.probe("probe");
	breaker.record("charged", "probe");
	expect(breaker.state).toBe("closed");
	expect(breaker.openedAtMs).toBeUndefined();
});

test("what a processor says of itself opens it, and closes it for as long as charges agree", async () => {
	const clock = createFakeClock();
	const breaker = createBreaker(breakerDefaults, clock, () => 0.5);
	breaker.warn();
	expect(breaker.state).toBe("open");
	expect(breaker.probeAtMs, "somebody finds out all the same").toBeGreaterThan(clock.monotonic());
	breaker.trust(0);
	expect([breaker.state, breaker.openedAtMs]).toEqual(["closed", undefined]);
	breaker.record("not_charged", "next");
	expect(breaker.state, "it was believed once").toBe("open");
	breaker.trust(0);
	breaker.record("charged", "next");
	for (let i = 0; i < breakerDefaults.failuresMax - 1; i++) breaker.record("not_charged", "later");
	expect(breaker.state).toBe("closed");
});

test.each([
	["not_charged", "open"],
	["nothing", "closed"],
	["unknown", "open"],
	["charged", "closed"],
] as const)("said to charge again while a probe is under way that comes to %s, it is %s", (outcome, state) => {
	const breaker = createBreaker(breakerDefaults, createFakeClock(), () => 0.5);
	breaker.warn();
	breaker.probe("probe");
	breaker.warn();
	breaker.trust(0);
	expect(breaker.state, "the probe left before that").toBe("closed");
	if (outcome === "nothing") breaker.probeEnded("probe");
	else breaker.record(outcome, "probe");
	expect(breaker.state).toBe(state);
	breaker.warn();
	breaker.probe("another");
	breaker.record("not_charged", "another");
	expect(breaker.state, "what was believed is spent").toBe("open");
});

test("where attempts leave payments in doubt its word is worth a probe, no more", () => {
	const breaker = createBreaker(breakerDefaults, createFakeClock(), () => 0.999);
	breaker.warn();
	for (let round = 0; round < 10; round++) {
		breaker.trust(0);
		expect(breaker.state === "open").toBe(round > 0);
		if (round === 0) breaker.record("unknown", "first");
		breaker.probe("probe");
		breaker.record("unknown", "probe");
		breaker.warn();
	}
	expect(breaker.probeAtMs).toBeGreaterThan(0.9 * breakerDefaults.pauses.unknown.maxMs);
	breaker.probe("probe");
	breaker.record("charged", "probe");
	breaker.warn();
	breaker.trust(0);
	expect(breaker.state, "that was before it charged").toBe("closed");
});

test("pauses after attempts of unknown outcome grow by themselves, whatever clear noes were between", () => {
	const { breaker, pauseAfter } = openBreaker();
	for (let i = 0; i < 8; i++) pauseAfter("not_charged");
	const first = pauseAfter("unknown");
	expect(first).toBeLessThanOrEqual(2 * breakerDefaults.pauses.unknown.baseMs + breakerDefaults.probeMinMs);
	breaker.hope();
	expect(pauseAfter("unknown"), "hope does not begin them anew").toBeGreaterThan(1.5 * first);
});

test.each([
	"in a row",
	"of late",
])("after failures %s only the probe says whether it closes, not what was sent before it", (how) => {
	const breaker = createBreaker(breakerDefaults, createFakeClock(), () => 0.999);
	const failedMax = how === "in a row" ? breakerDefaults.failuresMax : breakerDefaults.outcomesMin;
	for (let i = 0; breaker.state === "closed" && i < 2 * failedMax; i++)
		breaker.record(how === "of late" && i % 2 === 1 ? "charged" : "not_charged", "earlier");
	expect(breaker.state).toBe("open");
	const { probeAtMs } = breaker;
	breaker.probe("probe");
	for (const outcome of ["not_charged", "charged"] as const) {
		breaker.record(outcome, "earlier");
		expect(breaker.state).toBe("probing");
	}
	breaker.probeEnded("earlier");
	expect([breaker.state, breaker.probeAtMs], "nor is the pause made longer").toEqual(["probing", probeAtMs]);
	breaker.record("charged", "probe");
	expect(breaker.state).toBe("closed");
});

test("a probe whose turn ends late leaves the next one alone", () => {
	const breaker = createBreaker(breakerDefaults, createFakeClock(), () => 0.5);
	for (let i = 0; i < breakerDefaults.failuresMax; i++) breaker.record("not_charged", "earlier");
	breaker.probe("first");
	breaker.record("not_charged", "first");
	breaker.probe("second");
	breaker.probeEnded("first");
	expect(breaker.state).toBe("probing");
	breaker.record("charged", "second");
	expect(breaker.state).toBe("closed");
});

test("a probe that asked nothing lets another one find out", () => {
	const breaker = createBreaker(breakerDefaults, createFakeClock(), () => 0.5);
	for (let i = 0; i < breakerDefaults.failuresMax; i++) breaker.record("not_charged", "earlier");
	breaker.probe("probe");
	breaker.probeEnded("probe");
	expect(breaker.state).toBe("open");
	breaker.record("charged", "probe");
	breaker.probeEnded("probe");
	expect(breaker.state).toBe("closed");
});

test("a processor is kept away from when exactly the bound's part of what it gets fails", () => {
	const breaker = createBreaker(breakerDefaults, createFakeClock(), () => 0.5);
	for (let i = 0; i < breakerDefaults.outcomesMin; i++)
		breaker.record(i % 2 === 0 ? "charged" : "not_charged", "earlier");
	expect(breaker.state).toBe("open");
});

test("opened by its own word, it closes with what was under way and is charged, however it was opened before", () => {
	const breaker = createBreaker(breakerDefaults, createFakeClock(), () => 0.5);
	for (let i = 0; breaker.state === "closed"; i++) breaker.record(i % 2 === 0 ? "charged" : "not_charged", "earlier");
	breaker.probe("probe");
	breaker.record("charged", "probe");
	breaker.warn();
	breaker.record("charged", "earlier");
	expect(breaker.state).toBe("closed");
});

test("pauses begin anew: after a clear no those for unknown outcomes, after hope those for clear noes", () => {
	const { breaker, pauseAfter } = openBreaker();
	const first = pauseAfter("unknown");
	for (let i = 0; i < 5; i++) pauseAfter("unknown");
	const clear = pauseAfter("not_charged");
	expect(pauseAfter("unknown")).toBe(first);
	for (let i = 0; i < 5; i++) pauseAfter("not_charged");
	breaker.hope();
	expect(pauseAfter("not_charged")).toBe(clear);
});

test("what a processor said before the probe left is nothing beside what that will find", async () => {
	const clock = createFakeClock();
	const breaker = createBreaker(breakerDefaults, clock, () => 0.5);
	breaker.warn();
	const saidAtMs = clock.monotonic();
	await clock.advance(1_000);
	breaker.probe("probe");
	breaker.trust(saidAtMs);
	expect(breaker.state).toBe("probing");
	breaker.trust(clock.monotonic());
	expect(breaker.state).toBe("closed");
});
