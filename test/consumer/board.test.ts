// What a processor says of itself, in the order in which it comes, beside what came of charges.
import { expect, test } from "vitest";
import { createBoard, type Site } from "../../src/consumer/board.ts";
import { breakerDefaults } from "../../src/consumer/breaker.ts";
import { limiterDefaults } from "../../src/consumer/limiter.ts";
import { observe } from "../../src/consumer/observe.ts";
import { createFakeClock } from "../fake-clock.ts";

function setup() {
	const clock = createFakeClock();
	const board = createBoard({ limiter: limiterDefaults, breaker: breakerDefaults, clock, random: () => 0.5 });
	return { clock, site: board.default };
}

const said = (failing: boolean, minResponseMs = 0) => ({ reachable: true, failing, minResponseMs });
const state = ({ breaker }: Site): string => breaker.state;

test("who says that it fails is kept away from, and who says then that it charges is believed until the next failure", () => {
	const { site } = setup();
	site.tell(said(true), 0);
	expect(state(site)).toBe("open");
	site.tell(said(false), 0);
	expect(state(site)).toBe("closed");
	observe(site, { kind: "not_charged", why: "failing" }, 5, "one");
	expect(state(site)).toBe("open");
	site.tell(said(false), 0);
	expect(state(site), "it says nothing new").toBe("open");
});

test("a charge is worth more than an older word, an answer that did not come nothing", async () => {
	const { clock, site } = setup();
	observe(site, { kind: "charged" }, 5, "one");
	await clock.advance(100);
	site.tell(said(true), 200);
	expect(state(site)).toBe("closed");
	site.tell({ reachable: false, failing: true, minResponseMs: 0 }, 0);
	expect(state(site)).toBe("closed");
	site.tell(said(true), 0);
	expect(state(site)).toBe("open");
	observe(site, { kind: "charged" }, 5, "two");
	expect(state(site), "sent before the word, charged after it").toBe("closed");
});

test("the same words told again, as the queue's service does, change nothing", () => {
	const { site } = setup();
	for (const failing of [true, true, false, false]) site.tell(said(failing), 0);
	expect(state(site)).toBe("closed");
});

test("a processor that promises every few seconds and never answers gets few payments", async () => {
	const { clock, site } = setup();
	let inDoubt = 0;
	for (let round = 0; round < 12; round++) {
		site.tell(said(true, 3_000), 0);
		site.tell(said(false, 3_000), 0);
		for (let ms = 0; ms < 5_000; ms += 50) {
			if (site.breaker.state === "open" && site.breaker.probeAtMs <= clock.monotonic()) site.breaker.probe("probe");
			if (site.breaker.state !== "open") {
				observe(site, { kind: "unknown", why: "connection" }, 50, site.breaker.state === "probing" ? "probe" : "one");
				inDoubt++;
			}
			await clock.advance(50);
		}
	}
	expect(inDoubt).toBeLessThan(60);
});

test("only who charges gets more slots for its delay", () => {
	const { site } = setup();
	site.tell(said(true, 5_000), 0);
	expect(site.limiter.limit).toBe(limiterDefaults.start);
	site.tell(said(false, 5_000), 0);
	expect(site.limiter.limit).toBe(limiterDefaults.ceiling);
});

test("it is behind for as long as payments waited for a slot or a worker, less the time when none did, or when it failed", async () => {
	const { clock, site } = setup();
	const behindAfter = async (ms: number): Promise<number> => {
		await clock.advance(ms);
		return site.knowledge(clock.monotonic()).behindForMs;
	};
	site.setQueued(true, false);
	expect(await behindAfter(100), "slots are free: whoever waits does not wait for them").toBe(0);
	site.setQueued(true, true);
	expect(await behindAfter(100), "slots, but no worker").toBe(100);
	site.setQueued(false, false);
	expect(await behindAfter(200)).toBe(0);
	while (site.limiter.take("fresh"));
	site.setQueued(true, false);
	expect(await behindAfter(100)).toBe(100);
	site.limiter.giveBack("fresh");
	site.setQueued(true, false);
	expect(await behindAfter(100), "a slot that is free for a moment changes nothing").toBe(200);
	site.setQueued(false, false);
	expect(await behindAfter(50)).toBe(150);
	site.tell(said(true), 0);
	site.setQueued(true, true);
	expect(await behindAfter(50)).toBe(100);
});

test("an answer that is older than the one that is known changes nothing", () => {
	const { site } = setup();
	site.tell(said(true), 1_000);
	site.tell(said(false, 70), 2_000);
	expect([state(site), site.announcedMs]).toEqual(["open", 0]);
	site.tell(said(false, 70), 500);
	expect([state(site), site.announcedMs]).toEqual(["closed", 70]);
});
