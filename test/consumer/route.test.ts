import fc from "fast-check";
import { expect, test } from "vitest";
import {
	chooseProcessor,
	fitness,
	type Knowledge,
	type ProcessorKnowledge,
	type RouteSettings,
	routeDefaults,
	serviceMs,
} from "../../src/consumer/route.ts";
import type { Processor } from "../../src/payment/payment.ts";

const settings: RouteSettings = {
	...routeDefaults,
	fees: { default: 0.05, fallback: 0.15 },
	patienceMs: 5_000,
	wholeAmountWaitMs: 1_000_000,
	savingMin: 0.01,
	slowerMinMs: 3_000,
	failingProbeMaxMs: 1_000,
};
const healthy = { failing: false, minResponseMs: 0, ageMs: 1000 };
const failing = { failing: true, minResponseMs: 0, ageMs: 1000 };

function known(processor: Processor, more: Partial<ProcessorKnowledge> = {}): ProcessorKnowledge {
	return {
		processor,
		health: healthy,
		measured: { meanMs: 0, ageMs: Number.POSITIVE_INFINITY },
		breaker: "closed",
		probeInMs: 0,
		downForMs: 0,
		behindForMs: 0,
		freeSlots: 10,
		slotsMax: 100,
		...more,
	};
}

/** It said so, or was found out; the next probe is later. */
const down = (downForMs: number) => ({ health: failing, breaker: "open", probeInMs: 40, downForMs }) as const;

function choose(
	cheap: Partial<ProcessorKnowledge>,
	dear: Partial<ProcessorKnowledge>,
	more: Partial<Knowledge> = {},
	set: Partial<RouteSettings> = {},
) {
	const processors = [known("fallback", dear), known("default", cheap)];
	const [choice, turned] = [processors, processors.toReversed()].map((order) =>
		chooseProcessor({ processors: order, waiting: 1, waitedMs: 0, ...more }, { ...settings, ...set }),
	);
	expect(turned, "whichever is named first").toEqual(choice);
	return choice;
}

const to = (processor: Processor, probe = false) => ({ processor, probe });

test("the cheaper one is used while both are healthy, also where nothing is known of either", () => {
	expect(choose({}, {})).toEqual(to("default"));
	const nothing = { health: undefined } as unknown as Partial<ProcessorKnowledge>;
	expect(choose(nothing, nothing)).toEqual(to("default"));
});

test("which one is cheaper is a setting", () => {
	expect(choose({}, {}, {}, { fees: { default: 0.2, fallback: 0.1 } })).toEqual(to("fallback"));
});

test("a slow cheaper one is used as long as it is slower by no more than the patience", () => {
	const slow = (ms: number) => ({ health: { ...healthy, minResponseMs: ms } });
	expect(choose(slow(5_000), {})).toEqual(to("default"));
	expect(choose(slow(5_001), {})).toEqual(to("fallback"));
	expect(choose(slow(10_000), slow(6_000))).toEqual(to("default"));
	expect(choose(slow(1), {}, {}, { patienceMs: 0 })).toEqual(to("fallback"));
});

test("for a small saving a payment waits less, however patient the operator is", () => {
	const slow = (ms: number) => ({ health: { ...healthy, minResponseMs: ms } });
	const patient = { patienceMs: 60_000 };
	expect(choose(slow(60_000), {}, {}, patient)).toEqual(to("default"));
	const close = { ...patient, fees: { default: 0.05, fallback: 0.07 } };
	expect(choose(slow(9_999), {}, {}, close)).toEqual(to("default"));
	expect(choose(slow(10_001), {}, {}, close)).toEqual(to("fallback"));
	const closer = { ...patient, fees: { default: 0.05, fallback: 0.051 } };
	expect(choose(slow(3_000), {}, {}, closer)).toEqual(to("default"));
	expect(choose(slow(3_001), {}, {}, closer)).toEqual(to("fallback"));
	expect(choose(slow(2_000), {}, {}, { ...closer, patienceMs: 1_000 })).toEqual(to("fallback"));
	expect(choose(down(1), {}, {}, closer)).toEqual(to("fallback"));
	const same = { ...patient, fees: { default: 0.05, fallback: 0.05 } };
	expect(choose(slow(1), {}, {}, same), "nothing is saved").toEqual(to("fallback"));
	for (const order of ["default", "fallback"] as const) {
		const [one, other]: [Processor, Processor] =
			order === "default" ? ["default", "fallback"] : ["fallback", "default"];
		const processors = [known(one, down(100)), known(other)];
		expect(chooseProcessor({ processors, waiting: 1, waitedMs: 0 }, { ...settings, ...same })).toEqual(to(other));
	}
});

test("a long wait in the past is no reason to pay more once the cheaper one is ready", () => {
	expect(choose({ health: { ...healthy, minResponseMs: 20 } }, {}, { waitedMs: 60_000 })).toEqual(to("default"));
});

test("while the cheaper one fails a payment waits for it, and goes elsewhere before its patience is over", () => {
	expect(choose(down(100), {}, { waitedMs: 100 })).toMatchObject({ wait: true });
	expect(choose(down(100), {}, { waitedMs: 5_000 })).toEqual(to("fallback"));
	expect(choose(down(5_001), {})).toEqual(to("fallback"));
	expect(choose(down(0), {}, {}, { patienceMs: 0 })).toEqual(to("fallback"));
});

test("whichever charges is used when the other is down", () => {
	expect(choose({ breaker: "open", probeInMs: 500, downForMs: 60_000 }, {})).toEqual(to("fallback"));
	expect(choose({ health: { ...healthy, minResponseMs: 60_000 } }, down(1))).toEqual(to("default"));
});

test("where both are down it waits, and says until when", () => {
	const choice = choose(down(100), { ...down(9_000), probeInMs: 100 });
	expect(choice).toEqual({ wait: true, forMs: 40 });
});

const full = { freeSlots: 0, slotsMax: 100, measured: { meanMs: 1_000, ageMs: 0 }, behindForMs: 60_000 };

test("a full cheaper one is waited for, unless its queue would take too long", () => {
	expect(choose(full, {}, { waiting: 100 })).toMatchObject({ wait: true });
	expect(choose(full, {}, { waiting: 1_000 })).toEqual(to("fallback"));
	expect(choose(full, { freeSlots: 0 }, { waiting: 1_000 })).toMatchObject({ wait: true });
});

test("a slot that is free for a moment does not make a long queue short", () => {
	expect(choose({ ...full, freeSlots: 1 }, {}, { waiting: 401 })).toEqual(to("default"));
	expect(choose({ ...full, freeSlots: 1 }, {}, { waiting: 402 })).toEqual(to("fallback"));
	expect(choose({ ...full, freeSlots: 402 }, {}, { waiting: 402 })).toEqual(to("default"));
});

test("a queue is guessed to last no longer than it has: its processor may soon be quick again", () => {
	expect(choose({ ...full, behindForMs: 4_000 }, {}, { waiting: 9_999 })).toMatchObject({ wait: true });
	expect(choose({ ...full, behindForMs: 4_001 }, {}, { waiting: 9_999 })).toEqual(to("fallback"));
});

test("what it waited before the cheaper one fell behind, for a consumer or an outage, is no reason to pay more", () => {
	const momentarily = { ...full, behindForMs: 1_000 };
	expect(choose(momentarily, {}, { waiting: 2, waitedMs: 60_000 })).toMatchObject({ wait: true });
	expect(choose({ ...momentarily, behindForMs: 5_000 }, {}, { waiting: 2, waitedMs: 60_000 })).toEqual(to("fallback"));
});

test("among two that do not keep up, the dearer one is used while the cheaper one's queue is longer by more than the patience", () => {
	const dear = { ...full, freeSlots: 1, slotsMax: 200 };
	expect(choose({ ...full, freeSlots: 1 }, dear, { waiting: 1_001 })).toEqual(to("default"));
	expect(choose({ ...full, freeSlots: 1 }, dear, { waiting: 1_003 })).toEqual(to("fallback"));
});

test("a slow processor that says that it fails is not probed with money; a quick one, or one whose last word is old, is", () => {
	const open = { breaker: "open", probeInMs: 0, downForMs: 9_000 } as const;
	const slow = { ...failing, minResponseMs: 1_001 };
	expect(choose({ ...open, health: slow }, {})).toEqual(to("fallback"));
	expect(choose({ ...open, health: { ...slow, ageMs: 60_000 } }, {})).toEqual(to("default", true));
	expect(choose({ ...open, health: { ...failing, minResponseMs: 1_000 } }, {})).toEqual(to("default", true));
	expect(choose({ ...open, health: failing, probeInMs: 1 }, {})).toEqual(to("fallback"));
	expect(choose(open, {})).toEqual(to("default", true));
	expect(choose({ ...open, breaker: "probing" }, {})).toEqual(to("fallback"));
	expect(choose({ ...open, freeSlots: 0 }, {})).toEqual(to("fallback"));
});

test("a dearer one that is down is probed only while no cheaper one will do", () => {
	const open = { breaker: "open", probeInMs: 0, downForMs: 9_000 } as const;
	expect(choose({}, open)).toEqual(to("default"));
	expect(choose({ health: { ...healthy, minResponseMs: 5_000 } }, open)).toEqual(to("default"));
	expect(choose({ health: { ...healthy, minResponseMs: 5_001 } }, open)).toEqual(to("fallback", true));
	expect(choose({ freeSlots: 0 }, open), "full for a moment").toMatchObject({ wait: true });
	expect(choose(full, open, { waiting: 1_000 })).toEqual(to("fallback", true));
	expect(choose({ ...open, breaker: "probing" }, open)).toEqual(to("fallback", true));
});

test("how long a charge takes is what was heard last: measured, or announced", () => {
	const announced = { ...healthy, minResponseMs: 100 };
	expect(serviceMs(known("default", { health: announced, measured: { meanMs: 20, ageMs: 10 } }), settings)).toBe(20);
	expect(serviceMs(known("default", { health: announced, measured: { meanMs: 20, ageMs: 2_000 } }), settings)).toBe(
		100,
	);
	expect(serviceMs(known("default", { health: { ...announced, ageMs: 60_000 } }), settings)).toBe(0);
});

test("whatever is known: only a fit processor with a free slot is chosen, and waits are bounded", () => {
	const age = fc.integer({ min: 0, max: 30_000 });
	const site = fc.record({
		health: fc.record({ failing: fc.boolean(), minResponseMs: age, ageMs: age }),
		measured: fc.record({ meanMs: age, ageMs: age }),
		breaker: fc.constantFrom("closed", "open", "probing" as const),
		probeInMs: fc.integer({ min: -1_000, max: 5_000 }),
		downForMs: age,
		freeSlots: fc.integer({ min: 0, max: 3 }),
		slotsMax: fc.integer({ min: 1, max: 600 }),
	});
	fc.assert(
		fc.property(site, site, fc.integer({ min: 1, max: 5_000 }), age, (cheap, dear, waiting, waitedMs) => {
			const sites = { default: known("default", cheap as never), fallback: known("fallback", dear as never) };
			const choice = chooseProcessor({ processors: Object.values(sites), waiting, waitedMs }, settings);
			if ("wait" in choice) {
				expect(choice.forMs).toBeGreaterThanOrEqual(settings.recheckMinMs);
				expect(choice.forMs).toBeLessThanOrEqual(settings.recheckMaxMs);
			} else {
				expect(sites[choice.processor].freeSlots).toBeGreaterThan(0);
				expect(fitness(sites[choice.processor], settings)).toBe(choice.probe ? "probe" : "fit");
			}
		}),
	);
});
