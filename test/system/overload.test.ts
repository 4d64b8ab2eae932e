// Ten times more than can be had: callers are told to come again, nothing acknowledged is lost, and it passes by itself.
import { expect, test } from "vitest";
import { isLong, lengthNote, report } from "./conditions.ts";
import { startLab } from "./lab.ts";
import { type Posted, startLoad, tally } from "./load.ts";
import { signal } from "./processes.ts";
import { until } from "./until.ts";

/** 20 charges at a time of 100 ms each are 200 payments/s at each processor; the dearer one fails. */
const inFlightMax = 20;
const chargeMs = 100;
const capacityPerS = (inFlightMax * 1_000) / chargeMs;
const overloadMs = isLong ? 10_000 : 3_000;
const settings = { QUEUE_MAX: "300", IN_FLIGHT_MAX: String(inFlightMax) };

test(`ten times the capacity (${lengthNote}) is answered 429 with Retry-After; what is acknowledged is charged, and calm returns`, {
	timeout: 120_000,
}, async () => {
	const lab = await startLab({ settings });
	await Promise.all([lab.default.delay(chargeMs), lab.fallback.fail(true)]);
	const overload = startLoad(lab.relay.url, 10 * capacityPerS);
	await overload.firstAcknowledged(performance.now() + overloadMs);
	const crowd = await overload.stop();
	const calm = startLoad(lab.relay.url, capacityPerS / 4);
	await calm.firstAcknowledged(performance.now());
	await until("twenty acknowledgements in a row", 10_000, () => {
		const last = calm.posted.filter(({ told }) => told !== "waiting").slice(-20);
		return last.length === 20 && last.every(({ told }) => told === "acknowledged");
	});
	const posted = [...crowd, ...(await calm.stop())];
	await lab.drained();
	const { findings } = await lab.audit(posted);
	report(`overload: ${tally(crowd)}; of ${capacityPerS}/s for ${overloadMs} ms`);
	expect(findings).toEqual([]);
	const turnedAway = crowd.filter(({ status }) => status === 429);
	expect(turnedAway.length).toBeGreaterThan(crowd.length / 2);
	expect(saysWhenToComeAgain(crowd)).toEqual([]);
	expect(crowd.filter(({ status }) => status !== undefined && ![202, 429, 503].includes(status))).toEqual([]);
});

test("while the cache stands still callers are answered 503 with Retry-After, and soon", {
	timeout: 60_000,
}, async () => {
	const lab = await startLab({ settings: { ACCEPT_DEADLINE_MS: "500" } });
	const load = startLoad(lab.relay.url, 200);
	await load.firstAcknowledged(performance.now() + 300);
	const cache = await lab.relay.pid("cache");
	signal(cache, "SIGSTOP");
	try {
		await until("an answer 503", 10_000, () => load.posted.some(({ status }) => status === 503));
	} finally {
		signal(cache, "SIGCONT");
	}
	await load.firstAcknowledged(performance.now());
	const posted = await load.stop();
	await lab.drained();
	const { findings } = await lab.audit(posted);
	expect(findings, tally(posted)).toEqual([]);
	expect(saysWhenToComeAgain(posted)).toEqual([]);
	expect(posted.filter(({ error }) => error)).toEqual([]);
});

/** The answers that lack what they must have. */
function saysWhenToComeAgain(posted: readonly Posted[]): Posted[] {
	return posted.filter(
		({ status, retryAfter }) => (status === 429 || status === 503) && !/^\d+$/.test(retryAfter ?? ""),
	);
}
