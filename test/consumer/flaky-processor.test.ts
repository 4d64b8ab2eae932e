// Processors that turn half of what they get away, for long: first attempts flow, and afterwards all is charged soon.
import { expect, test } from "vitest";
import type { ChargeAnswer } from "../../src/consumer/ports.ts";
import { consumerDefaults } from "../../src/consumer/settings.ts";
import { charged, computingMs, createRelay } from "./relay-lab.ts";

const troubleS = 30;
/** What the relay promises after the last fault. */
const drainMaxS = 30;

const duplicate: ChargeAnswer = { kind: "duplicate" };
const tooMany: ChargeAnswer = { kind: "not_charged", why: "too_many" };

/** What the budget allows while no processor does well. */
function retriesAllowed(firsts: number, seconds: number): number {
	const { ratio, burstMax, tricklePerS } = consumerDefaults.budget;
	return firsts * ratio + burstMax + tricklePerS * seconds;
}

for (const { who, flaky, flowing } of [
	{ who: "both processors", flaky: ["default", "fallback"], flowing: 0.6 },
	{ who: "the cheaper processor", flaky: ["default"], flowing: 0.8 },
])
	test.each([1, 2, 3])(
		`${who} turn${flaky.length > 1 ? "" : "s"} half of 300 payments/s away for 30 s: first attempts flow, and then all is settled within 30 s (seed %i)`,
		async (seed) => {
			const relay = createRelay(seed);
			await relay.post(2);
			relay.world.answer = (processor) => (flaky.includes(processor) && relay.random() < 0.5 ? tooMany : charged);
			await relay.post(troubleS);
			const { accepted, retries } = await relay.figures();
			expect(relay.consumer().firsts).toBeGreaterThan(accepted * flowing);
			if (flaky.length > 1) expect(retries).toBeLessThanOrEqual(retriesAllowed(relay.consumer().firsts, 2 + troubleS));
			relay.world.answer = () => charged;
			expect(await relay.drainedS(2 * drainMaxS)).toBeLessThanOrEqual(drainMaxS);
			await relay.close();
		},
		computingMs,
	);

test(
	"a processor that calls every payment a duplicate, and has none of them, is given few: the other one charges",
	async () => {
		const relay = createRelay(1);
		await relay.post(2);
		relay.world.answer = (processor) => (processor === "default" ? duplicate : charged);
		await relay.post(troubleS);
		const { accepted, inDoubt, retries } = await relay.figures();
		expect(inDoubt).toBeLessThan(accepted * 0.05);
		expect(retries).toBeLessThanOrEqual(retriesAllowed(relay.consumer().firsts, 2 + troubleS));
		relay.world.answer = () => charged;
		expect(await relay.drainedS(2 * drainMaxS)).toBeLessThanOrEqual(drainMaxS);
		await relay.close();
	},
	computingMs,
);
