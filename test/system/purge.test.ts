// A purge in the middle of a run: nothing of before it appears after it, and what comes after it is in good order.
import { request } from "undici";
import { expect, test } from "vitest";
import { sameBooks } from "../../src/bench/books.ts";
import { show, summary } from "./audit.ts";
import { patience, report } from "./conditions.ts";
import { startLab } from "./lab.ts";
import { newPayment, post, startLoad, tally } from "./load.ts";
import type { Relay } from "./relay.ts";
import { until } from "./until.ts";

const endOfTime = "2199-01-01T00:00:00.000Z";
const startOfTime = "1970-01-01T00:00:00.000Z";
const askedMax = 200;

test("purged under load, the relay knows nothing of before, and its books of after equal the processors'", {
	timeout: 90_000,
}, async () => {
	const lab = await startLab();
	await Promise.all([lab.default.delay(50), lab.fallback.delay(50)]);
	const load = startLoad(lab.relay.url, 300);
	await load.firstAcknowledged(performance.now() + 1_500);
	const startedMs = performance.now();
	const startedAt = new Date().toISOString();
	expect((await purge(lab.relay)).forgotten).toBeGreaterThan(300);
	const endedMs = performance.now();
	const endedAt = new Date().toISOString();
	await load.firstAcknowledged(performance.now() + 1_500);
	const posted = await load.stop();
	const { accepted, settled } = await lab.drained();
	report(`${tally(posted)}; the purge took ${Math.round(endedMs - startedMs)} ms; ${accepted} accepted after it`);

	const before = posted.filter(({ answeredAtMs }) => answeredAtMs! < startedMs);
	const after = posted.filter(({ postedAtMs, told }) => postedAtMs > endedMs && told === "acknowledged");
	expect(before.length).toBeGreaterThan(300);
	expect(after.length).toBeGreaterThan(300);
	for (const { id } of before.slice(-askedMax)) expect(await stateOf(lab.relay, id)).toBe("404");
	const nothing = { count: 0, cents: 0n };
	const beforePurge = await summary(lab.relay.url, { from: startOfTime, to: startedAt });
	expect(beforePurge).toEqual({ default: nothing, fallback: nothing });

	const window = { from: endedAt, to: endOfTime };
	const relay = await summary(lab.relay.url, window);
	const theirs = { default: await lab.default.total(window), fallback: await lab.fallback.total(window) };
	expect(sameBooks(relay, theirs), `${show(relay)} for ${show(theirs)}`).toBe(true);
	expect(Number(settled)).toBeGreaterThanOrEqual(after.length);
	const ids = (await Promise.all(lab.processors.map((one) => one.charges()))).flat().map(({ id }) => id);
	expect(new Set(ids).size).toBe(ids.length);
	const charged = new Set(ids);
	expect(after.filter(({ id }) => !charged.has(id))).toEqual([]);
});

test("purged between two runs, with a backlog that was never charged, the whole books equal the processors'", {
	timeout: 90_000,
}, async () => {
	const lab = await startLab();
	await Promise.all([lab.default.fail(true), lab.fallback.fail(true)]);
	const first = startLoad(lab.relay.url, 300);
	await first.firstAcknowledged(performance.now() + 1_000);
	await first.stop();
	await purge(lab.relay);
	await Promise.all(lab.processors.map((one) => Promise.all([one.heal(), one.purge()])));
	const second = startLoad(lab.relay.url, 300);
	await second.firstAcknowledged(performance.now() + 1_000);
	const posted = await second.stop();
	await lab.drained();
	const { findings } = await lab.audit(posted);
	expect(findings, tally(posted)).toEqual([]);
});

test("a payment in doubt is forgotten by a purge but not its processor: posted again it is charged nowhere else", {
	timeout: 90_000,
}, async () => {
	const deadlines = { CHARGE_DEADLINE_MIN_MS: "100", CHARGE_DEADLINE_MAX_MS: "200", PURGE_WAIT_MS: "500" };
	const lab = await startLab({ settings: { ...patience, ...deadlines } });
	await lab.default.misbehave({ mode: "charge_after", delay: 4_000 });
	const payment = newPayment();
	await post(lab.relay.url, payment);
	await until("the payment to be in doubt", 10_000, async () => (await stateOf(lab.relay, payment.id)) === "in_doubt");
	expect(await purge(lab.relay)).toMatchObject({ forgotten: 1, keptInDoubt: 1 });
	expect(await stateOf(lab.relay, payment.id)).toBe("404");
	await lab.default.fail(true);
	await post(lab.relay.url, payment);
	expect(payment.told).toBe("acknowledged");
	await until("the late charge", 10_000, async () => (await lab.default.total()).count === 1);
	await lab.default.heal();
	await lab.drained();
	const { findings, charged } = await lab.audit([payment]);
	expect(findings).toEqual([]);
	expect(charged).toEqual({ default: 1, fallback: 0 });
});

async function purge(relay: Relay): Promise<{ forgotten: number; keptInDoubt: number }> {
	const { statusCode, body } = await request(`${relay.url}/purge-payments`, { method: "POST" });
	expect(statusCode).toBe(200);
	return (await body.json()) as { forgotten: number; keptInDoubt: number };
}

/** A payment's state, or the status where it is not known. */
async function stateOf(relay: Relay, id: string): Promise<string> {
	const { statusCode, body } = await request(`${relay.url}/payments/${id}`);
	const seen = (await body.json()) as { state: string };
	return statusCode === 200 ? seen.state : String(statusCode);
}
