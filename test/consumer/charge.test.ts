// One job's machine: what it makes of each thing that it may hear.
import { expect, test } from "vitest";
import { type ChargeEnd, type ChargeEvent, type ChargeState, nextCharge } from "../../src/consumer/charge.ts";
import { makeJob, sentAtUs } from "./harness.ts";

const job = makeJob(7, { pin: { processor: "default", requestedAtUs: sentAtUs }, attempts: 1 });
const after = (state: ChargeState, event: ChargeEvent, mayRepeat = true) =>
	nextCharge(job, state, event, () => mayRepeat);

test("a payment in doubt is posted again only where its processor says that it has not got it", () => {
	const asking = { at: "reading_back", processor: "default", sent: false } as const;
	const absent = { on: "read_back", answer: { kind: "absent" } } as const;
	const silent = { on: "read_back", answer: { kind: "no_answer" } } as const;
	expect(after(asking, absent).effect).toEqual({ do: "pin", processor: "default" });
	expect(after(asking, absent, false).effect).toEqual({ do: "release", result: "none" });
	expect(after(asking, silent).effect).toEqual({ do: "release", result: "none" });
});

test("after a POST of its own nothing but a charge that is found is taken for knowledge", () => {
	const asking = { at: "reading_back", processor: "default", sent: true } as const;
	for (const kind of ["absent", "no_answer"] as const)
		expect(after(asking, { on: "read_back", answer: { kind } }).effect).toEqual({ do: "release", result: "unknown" });
});

test("a job ends as the books say, and as unsettled or fenced where they say nothing", () => {
	const settles = { settled: "settled", repeated: "settled", stale: "fenced", refused: "refused", lost: "unsettled" };
	for (const [outcome, end] of Object.entries(settles) as [keyof typeof settles, ChargeEnd][])
		expect(after({ at: "settling" }, { on: "settle", answer: { outcome } }).state).toEqual({ at: "ended", end });
	const releases = { released: "released", fenced: "fenced", lost: "fenced" };
	for (const [outcome, end] of Object.entries(releases) as [keyof typeof releases, ChargeEnd][])
		expect(after({ at: "releasing" }, { on: "release", answer: { outcome } }).state).toEqual({ at: "ended", end });
});

test("what was not asked for is not listened to", () => {
	expect(() => after({ at: "settling" }, { on: "charge", answer: { kind: "charged" } })).toThrow();
});
