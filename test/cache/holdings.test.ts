// How long a job counts against its session's credit, whatever ends its lease and in whatever order that is heard.
import { expect, test } from "vitest";
import { createHoldings } from "../../src/cache/holdings.ts";
import type { Job, Store } from "../../src/cache/store/store.ts";
import type { Resolution } from "../../src/payment/life.ts";
import { createLab, type Lab, pinned, released, storeSettings } from "./dispatch-lab.ts";

const { leaseMs, doubt } = storeSettings;

async function leaseOne(lab: Lab): Promise<Job> {
	await lab.outcome(lab.post(1));
	return (await lab.store.lease("a", "fresh", 1))[0]!;
}

test("until a pin is fenced, a session is gone, or the payment is given to somebody else", async () => {
	const ends: ((lab: Lab, job: Job) => Promise<unknown>)[] = [
		(lab, job) => lab.outcome(lab.store.pin([pinned(job)])),
		(lab) => lab.outcome(lab.store.endSession("a")),
		(lab) => lab.store.lease("b", "fresh", 1),
	];
	for (const end of ends) {
		const lab = createLab();
		const job = await leaseOne(lab);
		// Not heard of here.
		await lab.outcome(lab.bare.endSession("a"));
		expect(lab.holdings.outstanding("a", "fresh")).toBe(1);
		await end(lab, job);
		expect(lab.holdings.outstanding("a", "fresh")).toBe(0);
	}
});

test.each([
	["give_up", 0],
	["retry", 1],
] as const)("after a person decides to %s, %i of what is worked on", async (decision, left) => {
	const lab = createLab({ ...storeSettings, doubt: { ...doubt, parkAfterMs: 0 } });
	const first = await leaseOne(lab);
	await lab.outcome(lab.store.pin([pinned(first)]));
	await lab.outcome(lab.store.release([released(first, "unknown")]));
	await lab.clock.advance(doubt.parkedPauseMs);
	const [job] = await lab.store.lease("a", "default", 1);
	const resolution: Resolution = { decision, who: "ops", why: "asked", atUs: 1 };
	const resolved = await lab.outcome(lab.store.resolve(job!.id, resolution, undefined));
	expect(resolved.outcome).toBe("resolved");
	expect(lab.holdings.outstanding("a", "default")).toBe(left);
});

function holdingsOver(lab: Lab, changed: Partial<Store>) {
	return createHoldings({ ...lab.bare, ...changed }, lab.clock, leaseMs);
}

test("while it is not known what a renewal came to", async () => {
	const lab = createLab();
	const answered = Promise.withResolvers<number[]>();
	const holdings = holdingsOver(lab, { renew: () => answered.promise });
	await lab.outcome(lab.post(1));
	const [job] = await holdings.store.lease("a", "fresh", 1);
	await lab.clock.advance(leaseMs - 10);
	const renewed = holdings.store.renew("a", [job!.token]);
	await lab.clock.advance(20);
	await lab.outcome(holdings.store.expire());
	expect(holdings.outstanding("a", "fresh")).toBe(1);
	answered.resolve([job!.token]);
	await renewed;
	expect(holdings.outstanding("a", "fresh")).toBe(0);
});

test("not at all where a purge overtook the answer: no such job is given out", async () => {
	const lab = createLab();
	const gate = Promise.withResolvers<void>();
	const holdings = holdingsOver(lab, {
		async lease(...asked) {
			const jobs = await lab.bare.lease(...asked);
			await gate.promise;
			return jobs;
		},
	});
	await lab.outcome(lab.post(1));
	const leased = holdings.store.lease("a", "fresh", 1);
	await lab.outcome(holdings.store.purge(0));
	gate.resolve();
	expect(await leased).toEqual([]);
	expect(holdings.outstanding("a", "fresh")).toBe(0);
});

test("also what a session is given that is back before the end of what it had is on disk", async () => {
	const lab = createLab();
	const synced = Promise.withResolvers<void>();
	const holdings = holdingsOver(lab, {
		async endSession(session) {
			await lab.bare.endSession(session);
			await synced.promise;
		},
	});
	await lab.outcome(lab.post(1));
	await holdings.store.lease("a", "fresh", 1);
	const ended = lab.outcome(holdings.store.endSession("a"));
	await lab.outcome(Promise.resolve());
	expect(await holdings.store.lease("a", "fresh", 1)).toHaveLength(1);
	synced.resolve();
	await ended;
	expect(holdings.outstanding("a", "fresh")).toBe(1);
});

test("and who stopped listening is not told", async () => {
	const lab = createLab();
	const job = await leaseOne(lab);
	let told = 0;
	lab.store.subscribe(() => told++)();
	await lab.outcome(lab.store.release([released(job)]));
	expect(told).toBe(0);
});
