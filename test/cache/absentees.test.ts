// Consumers that went away: what they held goes on to others in time, and not before.
import { expect, test } from "vitest";
import { createAbsentees } from "../../src/cache/absentees.ts";
import { createFakeClock } from "../fake-clock.ts";

function lab() {
	const clock = createFakeClock();
	const ended: string[] = [];
	const store = {
		async endSession(session: string) {
			ended.push(session);
		},
	};
	const absentees = createAbsentees(store, clock, 5_000, (cause) => {
		throw cause;
	});
	return { clock, ended, absentees };
}

test("a consumer that does not come back in time has lost what it held", async () => {
	const { clock, ended, absentees } = lab();
	absentees.left("a");
	await clock.advance(4_999);
	expect(ended).toEqual([]);
	await clock.advance(1);
	expect(ended).toEqual(["a"]);
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

test("nothing is given on once the service closes, and no timer is left", async () => {
	const { clock, ended, absentees } = lab();
	absentees.left("a");
	absentees.close();
	absentees.left("b");
	await clock.advance(10_000);
	expect(ended).toEqual([]);
	expect(clock.pending()).toBe(0);
});
