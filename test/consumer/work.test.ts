import { expect, test } from "vitest";
import { createHands, type Hand } from "../../src/consumer/hands.ts";
import { type Job, NoAnswer } from "../../src/consumer/ports.ts";
import { type WorkPorts, work } from "../../src/consumer/work.ts";
import { createFakeClock } from "../fake-clock.ts";
import { makeJob, never, sentAtUs, stubGateway, stubQueue } from "./harness.ts";

function setup(more: Partial<Job> = {}) {
	const clock = createFakeClock();
	const queue = stubQueue();
	const gateway = stubGateway(queue.calls);
	const hands = createHands(clock);
	const hand = hands.take(makeJob(7, more), 10_000);
	const controller = new AbortController();
	hand.abort = () => controller.abort();
	const pins: string[] = [];
	const shown: boolean[] = [];
	const commits: number[] = [];
	const world = { repeats: true };
	const ports: WorkPorts = {
		queue: queue.queue,
		gateway: gateway.gateway,
		hands,
		clock,
		random: () => 0.5,
		pause: { baseMs: 20, maxMs: 1000 },
		mayRepeat: () => world.repeats,
		watch: {
			pinned: (_: Hand, __, outcome) => pins.push(outcome),
			duplicate: (_, __, isShown) => shown.push(isShown),
			settled: (_, ms) => commits.push(ms),
		},
	};
	const begin = (processor: "default" | "fallback" = "default") => work(hand, processor, ports, controller.signal);
	return { clock, queue, gateway, hands, hand, controller, calls: queue.calls, pins, shown, commits, world, begin };
}

const doubt = { pin: { processor: "default", requestedAtUs: sentAtUs }, attempts: 1 } as const;

test("a fresh payment is pinned, charged once with the pin's moment, and settled", async () => {
	const { begin, calls, pins, commits } = setup();
	expect(await begin()).toBe("settled");
	expect(calls).toEqual(["pin 7 default", "charge 07 default 0", "settle 7 default 1990 0 charged"]);
	expect(pins).toEqual(["pinned"]);
	expect(commits).toEqual([0]);
});

test("proof that nothing was charged goes back as such; anything unclear as unknown", async () => {
	for (const why of ["refused", "too_many", "failing", "aborted"] as const) {
		const { begin, calls, gateway } = setup();
		gateway.chargeAs = async () => ({ kind: "not_charged", why });
		expect(await begin()).toBe("released");
		expect(calls.at(-1)).toBe("release 7 not_charged");
	}
	for (const why of ["timeout", "aborted", "connection", "status", "malformed"] as const) {
		const { begin, calls, gateway } = setup();
		gateway.chargeAs = async () => ({ kind: "unknown", why });
		expect(await begin()).toBe("released");
		expect(calls.at(-1)).toBe("release 7 unknown");
	}
});

test("a payment in doubt is read back before anything else, and settled with what the processor recorded", async () => {
	const { begin, calls, gateway } = setup(doubt);
	gateway.readBackAs = async () => ({
		kind: "found",
		charge: { processor: "default", amountCents: 1989n, requestedAtUs: sentAtUs + 5 },
	});
	expect(await begin()).toBe("settled");
	expect(calls).toEqual(["read 07 default", "settle 7 default 1989 5 read_back"]);
});

test("a payment in doubt that is not found is posted again only within the budget, under a new attempt", async () => {
	const { begin, calls, world } = setup(doubt);
	world.repeats = false;
	expect(await begin()).toBe("released");
	expect(calls).toEqual(["read 07 default", "release 7 none"]);
	const again = setup(doubt);
	expect(await again.begin()).toBe("settled");
	expect(again.calls).toEqual([
		"read 07 default",
		"pin 7 default",
		"charge 07 default 0",
		"settle 7 default 1990 0 charged",
	]);
});

test("a payment in doubt is never taken to the other processor", async () => {
	const { begin, calls } = setup(doubt);
	await expect(begin("fallback")).rejects.toThrow();
	expect(calls).toEqual([]);
});

test("a duplicate is read back, and stays in doubt where that fails", async () => {
	const { begin, calls, gateway } = setup();
	gateway.chargeAs = async () => ({ kind: "duplicate" });
	gateway.readBackAs = async () => ({ kind: "no_answer" });
	expect(await begin()).toBe("released");
	expect(calls.slice(-2)).toEqual(["read 07 default", "release 7 unknown"]);
});

test("whether a processor shows the charge that makes a duplicate is told, unless the asking was aborted", async () => {
	const found = {
		kind: "found",
		charge: { processor: "default", amountCents: 1990n, requestedAtUs: sentAtUs },
	} as const;
	for (const [answer, told] of [
		[found, [true]],
		[{ kind: "absent" }, [false]],
		[{ kind: "no_answer" }, [false]],
	] as const) {
		const { begin, gateway, shown } = setup();
		gateway.chargeAs = async () => ({ kind: "duplicate" });
		gateway.readBackAs = async () => answer;
		await begin();
		expect(shown).toEqual(told);
	}
	const aborted = setup();
	aborted.gateway.chargeAs = async () => ({ kind: "duplicate" });
	aborted.gateway.readBackAs = async () => {
		aborted.controller.abort();
		return { kind: "no_answer" };
	};
	await aborted.begin();
	const pursued = setup(doubt);
	pursued.gateway.readBackAs = async () => found;
	await pursued.begin();
	expect([...aborted.shown, ...pursued.shown]).toEqual([]);
});

test("a pin that got no answer is given back as not charged: nothing was sent", async () => {
	const { begin, calls, queue } = setup();
	queue.pinAs = () => Promise.reject(new NoAnswer("no answer"));
	expect(await begin()).toBe("released");
	expect(calls).toEqual(["pin 7 default", "release 7 not_charged"]);
});

test("under a lease that is lost nothing is pinned", async () => {
	const { begin, calls, hands } = setup();
	hands.lose([7n]);
	expect(await begin()).toBe("fenced");
	expect(calls).toEqual([]);
});

test("a lease that is lost while it is being pinned sends nothing", async () => {
	const { begin, calls, queue, hands } = setup();
	queue.pinAs = async () => {
		hands.lose([7n]);
		return { outcome: "pinned", requestedAtUs: sentAtUs };
	};
	await begin();
	expect(calls).toEqual(["pin 7 default", "release 7 not_charged"]);
});

test("a job whose time is over while it is being pinned sends nothing", async () => {
	const { begin, calls, queue, controller, hand } = setup();
	queue.pinAs = async () => {
		controller.abort();
		return { outcome: "pinned", requestedAtUs: sentAtUs };
	};
	expect(await begin()).toBe("released");
	expect(calls).toEqual(["pin 7 default", "release 7 not_charged"]);
	expect(hand.sent).toBe(false);
});

test("a worker that was stopped past its lease sends nothing when it goes on", async () => {
	const { begin, calls, queue, clock } = setup();
	queue.pinAs = async () => {
		await clock.sleep(10_000);
		return { outcome: "pinned", requestedAtUs: sentAtUs };
	};
	const end = begin();
	await clock.advance(10_000);
	await end;
	expect(calls).toEqual(["pin 7 default", "release 7 not_charged"]);
});

test("a POST that was sent when its lease was lost goes on, and its charge is settled", async () => {
	const { begin, calls, gateway, hands, clock, hand } = setup();
	const answer = Promise.withResolvers<{ kind: "charged" }>();
	gateway.chargeAs = () => answer.promise;
	const end = begin();
	await clock.settle();
	expect(hand.sent).toBe(true);
	hands.lose([7n]);
	answer.resolve({ kind: "charged" });
	expect(await end).toBe("settled");
	expect(calls.at(-1)).toBe("settle 7 default 1990 0 charged");
});

test("a charge that happened is told to the books again and again until they answer", async () => {
	const { begin, calls, queue, clock, commits } = setup();
	let failures = 5;
	queue.settleAs = () => (failures-- > 0 ? Promise.reject(new NoAnswer("away")) : Promise.resolve("settled"));
	const end = begin();
	await clock.advance(5_000);
	expect(await end).toBe("settled");
	expect(calls.filter((call) => call.startsWith("settle"))).toHaveLength(6);
	expect(commits[0]).toBeGreaterThan(0);
});

test("only a charge that this job brought into the books counts for how long that takes", async () => {
	for (const outcome of ["repeated", "stale", "refused"] as const) {
		const { begin, queue, commits } = setup();
		queue.settleAs = async () => outcome;
		await begin();
		expect(commits).toEqual([]);
	}
});

test("what the books refuse to understand is not asked again: the job fails, loudly, and its lease is left to others", async () => {
	const { begin, calls, queue, hand, clock } = setup();
	queue.settleAs = () => Promise.reject(new Error("there is no such epoch"));
	await expect(begin()).rejects.toThrow("no such epoch");
	expect(calls.filter((call) => call.startsWith("settle"))).toHaveLength(1);
	expect(hand.result).toBe("unknown");
	expect(clock.pending()).toBe(0);
});

test("a pin that can never be made fails its job, with nothing sent", async () => {
	const { begin, calls, queue, hand } = setup();
	queue.pinAs = () => Promise.reject(new Error("there is no such epoch"));
	await expect(begin()).rejects.toThrow("no such epoch");
	expect(calls).toEqual(["pin 7 default"]);
	expect(hand.result).toBe("not_charged");
});

test("when the job's time is over it stops asking, and the lease is left to run out", async () => {
	const { begin, calls, queue, clock, controller } = setup();
	queue.settleAs = () => Promise.reject(new NoAnswer("away"));
	const end = begin();
	await clock.advance(5_000);
	const asked = calls.length;
	controller.abort();
	expect(await end).toBe("unsettled");
	expect(calls).toHaveLength(asked);
	expect(clock.pending()).toBe(0);
});

test("an aborted job gives its payment back: what was not sent as such, what was sent as unknown", async () => {
	const before = setup();
	before.controller.abort();
	expect(await before.begin()).toBe("released");
	expect(before.calls).toEqual(["release 7 not_charged"]);

	const pursued = setup(doubt);
	pursued.controller.abort();
	expect(await pursued.begin()).toBe("released");
	expect(pursued.calls).toEqual(["release 7 none"]);

	const during = setup();
	during.gateway.chargeAs = (signal) =>
		new Promise((resolve) => signal.addEventListener("abort", () => resolve({ kind: "unknown", why: "aborted" })));
	const end = during.begin();
	await during.clock.settle();
	during.controller.abort();
	expect(await end).toBe("released");
	expect(during.calls.at(-1)).toBe("release 7 unknown");
});

test("what is known of an attempt is kept for whoever must give it back", async () => {
	const { begin, gateway, queue, hand, clock } = setup();
	queue.releaseAs = () => never();
	expect(hand.result).toBe("unasked");
	const answer = Promise.withResolvers<{ kind: "not_charged"; why: "failing" }>();
	gateway.chargeAs = () => answer.promise;
	void begin();
	await clock.settle();
	expect(hand.result).toBe("unknown");
	answer.resolve({ kind: "not_charged", why: "failing" });
	await clock.settle();
	expect(hand.result).toBe("not_charged");
});

test("so is that its processor was asked for it, and never that a POST may have charged is forgotten for that", async () => {
	const asked = setup(doubt);
	asked.gateway.readBackAs = never;
	void asked.begin();
	expect(asked.hand.result).toBe("none");

	const duplicate = setup();
	duplicate.gateway.chargeAs = async () => ({ kind: "duplicate" });
	duplicate.gateway.readBackAs = never;
	void duplicate.begin();
	await duplicate.clock.settle();
	expect(duplicate.calls.at(-1)).toBe("read 07 default");
	expect(duplicate.hand.result).toBe("unknown");

	const turnedAway = setup();
	turnedAway.queue.pinAs = async () => ({ outcome: "no_slot" });
	turnedAway.queue.releaseAs = never;
	void turnedAway.begin();
	await turnedAway.clock.settle();
	expect(turnedAway.hand.result).toBe("none");
});
