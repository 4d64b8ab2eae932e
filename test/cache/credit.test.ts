// Whatever consumers, zombies, cuts, purges and time do in whatever order: credit is never exceeded, and never leaks.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Job } from "../../src/cache/store/store.ts";
import { processors } from "../../src/payment/payment.ts";
import { createLab, type Lab, pinned, released, settled, storeSettings, type TestConsumer } from "./dispatch-lab.ts";

const sessions = ["a", "b"] as const;
const lanes = ["fresh", ...processors] as const;
const credit = { a: { fresh: 3, pursuit: 2, retriesMax: 2 }, b: { fresh: 5, pursuit: 1 } };
type Session = (typeof sessions)[number];

const session = fc.constantFrom(...sessions);
const pick = fc.nat(1000);
const step = fc.oneof(
	fc.record({ do: fc.constant("post" as const), count: fc.integer({ min: 1, max: 8 }) }),
	fc.record({ do: fc.constant("repost" as const), pick }),
	fc.record({ do: fc.constant("pin" as const), pick, processor: fc.constantFrom(...processors) }),
	fc.record({ do: fc.constant("settle" as const), pick }),
	fc.record({
		do: fc.constant("release" as const),
		pick,
		result: fc.constantFrom("unasked" as const, "none" as const, "not_charged" as const, "unknown" as const),
	}),
	fc.record({ do: fc.constant("renew" as const), session, share: fc.integer({ min: 1, max: 4 }) }),
	fc.record({ do: fc.constant("cut" as const), session }),
	fc.record({ do: fc.constant("connect" as const), session, share: fc.integer({ min: 1, max: 4 }) }),
	fc.record({ do: fc.constant("sweep" as const) }),
	fc.record({ do: fc.constant("purge" as const) }),
	fc.record({ do: fc.constant("advance" as const), ms: fc.constantFrom(0, 1, 3, 150, 1000, 4000, 9000) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface World {
	readonly lab: Lab;
	readonly streams: Map<Session, TestConsumer>;
	/** Every job ever given, to whomever; old ones are what zombies act on. */
	readonly given: Map<number, { readonly job: Job; readonly session: Session }>;
	readonly calls: Promise<unknown>[];
}

function connect(world: World, name: Session, share: number): void {
	const held = [...world.given.values()].filter((one, i) => one.session === name && i % share === 0).slice(-50);
	const keys = held.map(({ job: { id, token } }) => ({ id, token }));
	world.streams.set(name, world.lab.connect(name, { ...credit[name], held: keys }));
}

function collect({ streams, given }: World): void {
	for (const [name, { jobs }] of streams)
		for (const job of jobs.splice(0)) given.set(job.token, { job, session: name });
}

function take(world: World, step: Step): void {
	const { lab, given, calls } = world;
	const jobs = [...given.values()];
	/** Rather a late one than an early one: those are the ones that may still hold. */
	const chosen = "pick" in step ? jobs[jobs.length - 1 - (step.pick % Math.min(jobs.length, 16))]?.job : undefined;
	switch (step.do) {
		case "post":
			calls.push(lab.post(step.count));
			break;
		case "repost":
			if (chosen) calls.push(lab.store.enqueue([{ id: chosen.id, amountCents: chosen.amountCents }]));
			break;
		case "pin":
			if (chosen) calls.push(lab.store.pin([pinned(chosen, chosen.pin?.processor ?? step.processor)]));
			break;
		case "settle":
			if (chosen) calls.push(lab.store.settle([settled(chosen, chosen.pin?.processor)]));
			break;
		case "release":
			if (chosen) calls.push(lab.store.release([released(chosen, step.result)]));
			break;
		case "renew": {
			const tokens = jobs.filter((one, i) => one.session === step.session && i % step.share === 0);
			calls.push(
				lab.store.renew(
					step.session,
					tokens.map(({ job }) => job.token),
				),
			);
			break;
		}
		case "cut":
			world.streams.get(step.session)?.cut();
			break;
		case "connect":
			connect(world, step.session, step.share);
			break;
		case "sweep":
			calls.push(lab.sweep());
			break;
		case "purge":
			calls.push(lab.store.purge(50));
			break;
		case "advance":
			break;
	}
}

async function check({ lab }: World): Promise<void> {
	let outstanding = 0;
	expect(lab.holdings.retries("a")).toBeGreaterThanOrEqual(0);
	expect(lab.holdings.retries("a")).toBeLessThanOrEqual(lab.holdings.outstanding("a", "fresh"));
	for (const name of sessions) {
		const held = lanes.map((lane) => lab.holdings.outstanding(name, lane));
		const [fresh, atDefault, atFallback] = held as [number, number, number];
		expect(Math.min(...held)).toBeGreaterThanOrEqual(0);
		expect(fresh).toBeLessThanOrEqual(credit[name].fresh);
		expect(atDefault + atFallback).toBeLessThanOrEqual(credit[name].pursuit);
		expect(Math.max(atDefault, atFallback)).toBeLessThanOrEqual(Math.ceil((credit[name].pursuit * 2) / 3));
		outstanding += fresh + atDefault + atFallback;
	}
	// What the store has leased is counted: a count may lag, but only too high.
	expect((await lab.bare.figures()).leased).toBeLessThanOrEqual(outstanding);
}

test("no order of events exceeds a session's credit, nor keeps any of it for good", async () => {
	await fc.assert(
		fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), async (steps) => {
			const world: World = { lab: createLab(), streams: new Map(), given: new Map(), calls: [] };
			const { lab } = world;
			for (const name of sessions) connect(world, name, 1);
			for (const step of steps) {
				take(world, step);
				if (step.do === "advance") {
					await lab.clock.advance(step.ms);
					collect(world);
					await check(world);
				}
			}
			await lab.clock.advance(100);
			await Promise.all(world.calls);
			collect(world);
			await check(world);

			// Everybody is gone; what they held runs out.
			for (const { cut } of world.streams.values()) cut();
			await lab.clock.advance(storeSettings.leaseMs + 1);
			await lab.outcome(lab.store.expire());
			for (const name of sessions) for (const lane of lanes) expect(lab.holdings.outstanding(name, lane)).toBe(0);
			expect((await lab.bare.figures()).leased).toBe(0);

			// A consumer that comes then gets all there is, as far as its credit goes.
			const { waiting } = await lab.bare.figures();
			const last = lab.connect("a", { ...credit.a, retriesMax: credit.a.fresh });
			await lab.clock.settle();
			expect(last.jobs.filter(({ pin }) => !pin)).toHaveLength(Math.min(waiting, credit.a.fresh));
			expect(lab.errors).toEqual([]);
		}),
		{ numRuns: 300 },
	);
}, 60_000);
