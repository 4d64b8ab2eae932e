// Misbehaviours that need no socket: when the charge happens, and what is answered, in simulated time.
import { expect, test } from "vitest";
import { createHarness, paymentBody, paymentId } from "./harness.ts";

const misbehave = (harness: ReturnType<typeof createHarness>, settings: object) =>
	harness.admin("PUT", "configurations/misbehaviour", settings);

test("a fault inside answers 500 with a body, and its insert commits later", async () => {
	const harness = createHarness();
	const { clock, post, get, processor } = harness;
	await misbehave(harness, { mode: "error_then_charge", delay: 300 });
	const [status, body] = await post(paymentBody(1));
	expect([status, body.length > 0]).toEqual([500, true]);
	await clock.advance(299);
	expect((await get(`/payments/${paymentId(1)}`))[0]).toBe(404);
	await clock.advance(1);
	expect((await get(`/payments/${paymentId(1)}`))[0]).toBe(200);
	expect(processor.figures()).toMatchObject({ misbehaved: 1, charged: 1 });
});

test("a fault inside answers 500 with a body after the charge", async () => {
	const harness = createHarness();
	await misbehave(harness, { mode: "error_after_charge" });
	expect((await harness.post(paymentBody(1)))[0]).toBe(500);
	expect(harness.processor.payments.count()).toBe(1);
});

test("a charge after the caller's time-out: nothing is there before, and the answer comes with it", async () => {
	const harness = createHarness();
	await misbehave(harness, { mode: "charge_after", delay: 3000 });
	const answer = harness.post(paymentBody(1));
	await harness.clock.advance(2999);
	expect(harness.processor.payments.count()).toBe(0);
	await harness.clock.advance(1);
	expect((await answer)[0]).toBe(200);
});

test.each([
	[{ mode: "status", status: 503 }, 503],
	[{ mode: "status", status: 500, body: "" }, 500],
	[{ mode: "status", status: 429, body: "later" }, 429],
])("%o is answered without a charge", async (settings, status) => {
	const harness = createHarness();
	await misbehave(harness, settings);
	const answer = await harness.post(paymentBody(1));
	expect(answer[0]).toBe(status);
	if ("body" in settings) expect(answer[1]).toBe(settings.body);
	expect(harness.processor.payments.count()).toBe(0);
});

test("garbage in a body, and an answer of many bytes, behind a charge", async () => {
	const harness = createHarness();
	await misbehave(harness, { mode: "garbage_body" });
	const [status, body] = await harness.post(paymentBody(1));
	expect(status).toBe(200);
	expect(() => JSON.parse(body)).toThrow();
	await misbehave(harness, { mode: "huge_answer", bytes: 1_000_001 });
	expect((await harness.post(paymentBody(2)))[1]).toHaveLength(1_000_001);
	expect(harness.processor.payments.count()).toBe(2);
});

test("it hits as many as its probability says, only what it is meant for, and ends when told so", async () => {
	let drawn = 0.5;
	const harness = createHarness(() => drawn);
	const { post, get } = harness;
	await misbehave(harness, { mode: "status", probability: 0.5 });
	expect((await post(paymentBody(1)))[0]).toBe(200);
	drawn = 0.49;
	expect((await post(paymentBody(2)))[0]).toBe(503);
	expect((await get(`/payments/${paymentId(1)}`))[0]).toBe(200);
	await misbehave(harness, { mode: "status", on: "read" });
	expect((await get(`/payments/${paymentId(1)}`))[0]).toBe(503);
	expect((await post(paymentBody(2)))[0]).toBe(200);
	await misbehave(harness, { mode: "garbage_body", on: "health" });
	expect((await get("/payments/service-health"))[1]).toContain("<html>");
	expect((await misbehave(harness, { mode: "none" }))[1]).toContain('"is":{"mode":"none"');
	expect((await get(`/payments/${paymentId(1)}`))[0]).toBe(200);
});

test("the configured delay and the failure switch come before any misbehaviour", async () => {
	const harness = createHarness();
	await misbehave(harness, { mode: "error_after_charge" });
	await harness.admin("PUT", "configurations/failure", { failure: true });
	expect(await harness.post(paymentBody(1))).toEqual([500, ""]);
	expect(harness.processor.payments.count()).toBe(0);
});

test("a processor that stops forgets the charges that have not happened yet", async () => {
	const harness = createHarness();
	await misbehave(harness, { mode: "error_then_charge", delay: 300 });
	await harness.post(paymentBody(1));
	harness.processor.stop();
	expect(harness.clock.pending()).toBe(0);
	await harness.clock.advance(1000);
	expect(harness.processor.payments.count()).toBe(0);
});
