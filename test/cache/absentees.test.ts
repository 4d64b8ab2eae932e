// Consumers that went away: what they held goes on to others in time, and not before.
import { expect, test } from "vitest";
import { createAbsentees } from "../../src/cache/absentees.ts";
import { createFakeClock } from "../fake-clock.ts";

function lab(leaseMs = 10_000) {
	const clock = createFakeClock();
	const ended: string[] = [];
	const holding = new Set(["a", "b", "killed"]);
	const store = {
		async endSession(session: string) {
			ended.push(session);
		},
	};
	const absentees = createAbsentees(
		{ store, holds: (session) => holding.has(session) },
		clock,
		{ leaseMs, reclaimMs: 5_000 },
		(cause) => {
			throw cause;
		},
	);
	return { clock, ended, holding, absentees };
}

test("a consumer that does not come back in time has lost what it held", async () => {
	const { clock, ended, absentees } = lab();
	absentees.left("a");
	await clock.advance(4_999);
	expect(ended).toEqual([]);
	await clock.advance(1);
	expect(ended).toEqual(["a"]);
});

test("the time counts from the end of the last stream", async () => {
	const { clock, ended, absentees } = lab();
	absentees.left("a");
	await clock.advance(3_000);
	absentees.left("a");
	await clock.advance(4_999);
	expect(ended).toEqual([]);
	await clock.advance(1);
	expect(ended).toEqual(["a"]);
	expect(clock.pending()).toBe(0);
});

test("one that comes back or renews a lease keeps it, and may leave again", async () => {
	const { clock, ended, absentees } = lab();
	absentees.left("a");
	await clock.advance(4_000);
	absentees.seen("a");
	await clock.advance(10_000);
	expect(ended).toEqual([]);
	absentees.left("a");
	await clock.advance(5_000);
	expect(ended).toEqual(["a"]);
});

test("one that stops without a stream keeps what it renews by thirds of a lease, however long a lease is", async () => {
	const { clock, ended, absentees } = lab(30_000);
	absentees.left("a");
	absentees.left("killed");
	await clock.advance(10_000);
	expect(ended).toEqual([]);
	absentees.seen("a");
	await clock.advance(5_000);
	expect(ended).toEqual(["killed"]);
	await clock.advance(30_000);
	expect(ended).toEqual(["killed"]);
});

test("one that holds nothing when it leaves, or when its time is up, causes neither a timer nor a commit", async () => {
	const { clock, ended, holding, absentees } = lab();
	absentees.left("passer-by");
	expect(clock.pending()).toBe(0);
	absentees.left("a");
	holding.delete("a");
	await clock.advance(5_000);
	expect(ended).toEqual([]);
	expect(clock.pending()).toBe(0);
});

test("nothing is given on once the service closes, and no timer is left", async () => {
	const { clock, ended, absentees } = lab();
	absentees.left("a");
	absentees.close();
	absentees.left("b");
	await clock.advance(10_000);
	expect(ended).toEqual([]);
	expect(clock.pending()).toBe(0);
});
