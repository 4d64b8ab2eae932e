import { expect, test } from "vitest";
import type { Cutoff } from "../../src/consumer/cutoff.ts";
import { chargeDeadlineMs, deadlineDefaults, withDeadline } from "../../src/consumer/deadline.ts";
import type { ChargeAnswer } from "../../src/consumer/ports.ts";
import { createFakeClock } from "../fake-clock.ts";
import { paymentId, stubGateway } from "./harness.ts";

test("a charge's deadline follows the announced and the measured delay, between floor and ceiling", () => {
	expect(chargeDeadlineMs(0, 0, deadlineDefaults)).toBe(6_000);
	expect(chargeDeadlineMs(5_000, 0, deadlineDefaults)).toBe(11_000);
	expect(chargeDeadlineMs(0, 5_000, deadlineDefaults)).toBe(11_000);
	expect(chargeDeadlineMs(60_000, 0, deadlineDefaults)).toBe(20_000);
});

const heeds = (signal: Cutoff): Promise<ChargeAnswer> =>
	new Promise((resolve) => {
		const end = () => resolve({ kind: "unknown", why: "aborted" });
		if (signal.aborted) end();
		signal.addEventListener("abort", end);
	});

test("a charge beyond its deadline is told apart from one that was aborted", async () => {
	const clock = createFakeClock();
	const stub = stubGateway();
	stub.chargeAs = heeds;
	const gateway = withDeadline(stub.gateway, () => 6_000, deadlineDefaults, clock);
	const payment = { id: paymentId(1), amountCents: 1n, requestedAtUs: 0 };
	const late = gateway.charge("default", payment, new AbortController().signal);
	await clock.advance(6_000);
	expect(await late).toEqual({ kind: "unknown", why: "timeout" });
	const controller = new AbortController();
	const aborted = gateway.charge("default", payment, controller.signal);
	controller.abort();
	expect(await aborted).toEqual({ kind: "unknown", why: "aborted" });
	expect(await gateway.charge("default", payment, AbortSignal.abort())).toEqual({ kind: "unknown", why: "aborted" });
	expect(clock.pending()).toBe(0);
});

test("a charge that had no connection until its deadline is the processor's doing, one that was aborted before is not", async () => {
	const clock = createFakeClock();
	const stub = stubGateway();
	stub.chargeAs = (signal) =>
		new Promise((resolve) => signal.addEventListener("abort", () => resolve({ kind: "not_charged", why: "aborted" })));
	const gateway = withDeadline(stub.gateway, () => 6_000, deadlineDefaults, clock);
	const payment = { id: paymentId(1), amountCents: 1n, requestedAtUs: 0 };
	const late = gateway.charge("default", payment, new AbortController().signal);
	await clock.advance(6_000);
	expect(await late).toEqual({ kind: "not_charged", why: "refused" });
	const controller = new AbortController();
	const aborted = gateway.charge("default", payment, controller.signal);
	controller.abort();
	expect(await aborted).toEqual({ kind: "not_charged", why: "aborted" });
});

test("a charge that is answered leaves no timer", async () => {
	const clock = createFakeClock();
	const gateway = withDeadline(stubGateway().gateway, () => 6_000, deadlineDefaults, clock);
	await gateway.charge(
		"default",
		{ id: paymentId(1), amountCents: 1n, requestedAtUs: 0 },
		new AbortController().signal,
	);
	await gateway.readBack("default", paymentId(1), new AbortController().signal);
	await gateway.health("default", new AbortController().signal);
	expect(clock.pending()).toBe(0);
});
