// The simulated processor's API as the relay and a load script meet it, in simulated time.
import { expect, test } from "vitest";
import { createHarness, paymentBody, paymentId } from "./harness.ts";

const ok: [number, string] = [200, '{"message":"payment processed successfully"}'];
const emptyFailure: [number, string] = [500, ""];

test("a payment is charged once: repeated in either case it is 422, and the first amount and time stay", async () => {
	const { post, get } = createHarness();
	expect(await post(paymentBody(10, "19.90", "2025-07-15T12:34:56.123456Z"))).toEqual(ok);
	expect((await post(paymentBody(10, "5")))[0]).toBe(422);
	expect((await post(paymentBody(10).replace(paymentId(10), paymentId(10).toUpperCase())))[0]).toBe(422);
	expect(await get(`/payments/${paymentId(10).toUpperCase()}`)).toEqual([
		200,
		`{"correlationId":"${paymentId(10)}","amount":19.90,"requestedAt":"2025-07-15T12:34:56.123456"}`,
	]);
	expect(await get(`/payments/${paymentId(11)}`)).toEqual([404, ""]);
	expect((await get("/payments/nonsense"))[0]).toBe(400);
});

test.each([
	["2025-07-15T12:34:56.123Z", "2025-07-15T12:34:56.123"],
	["2025-07-15T12:34:56.120Z", "2025-07-15T12:34:56.12"],
	["2025-07-15T12:34:50.000Z", "2025-07-15T12:34:50"],
	["2025-07-15T12:34:56.1234569Z", "2025-07-15T12:34:56.123456"],
	["2025-07-15T14:34:56.123+02:00", "2025-07-15T12:34:56.123"],
])("%s is read back as %s: UTC without a zone", async (sent, told) => {
	const { post, get } = createHarness();
	await post(paymentBody(1, "1", sent));
	expect((await get(`/payments/${paymentId(1)}`))[1]).toContain(`"requestedAt":"${told}"`);
});

test("the failure switch is read when the delay ends, not when the request comes", async () => {
	const { clock, post, admin, processor } = createHarness();
	expect(await admin("PUT", "configurations/delay", { delay: 1000 })).toEqual([
		200,
		'{"config":"delay","was":0,"is":1000}',
	]);
	const first = post(paymentBody(1));
	await clock.advance(999);
	expect(processor.payments.count()).toBe(0);
	expect(await admin("PUT", "configurations/failure", { failure: true })).toEqual([
		200,
		'{"config":"failure","was":false,"is":true}',
	]);
	await clock.advance(1);
	expect(await first).toEqual(emptyFailure);
	const second = post(paymentBody(1));
	await clock.advance(999);
	await admin("PUT", "configurations/failure", { failure: false });
	await clock.advance(1);
	expect(await second).toEqual(ok);
});

test("while failing a duplicate gets the empty 500, and a read is answered at once all the same", async () => {
	const { post, get, admin } = createHarness();
	await post(paymentBody(1));
	await admin("PUT", "configurations/failure", { failure: true });
	expect(await post(paymentBody(1))).toEqual(emptyFailure);
	await admin("PUT", "configurations/delay", { delay: 60_000 });
	expect((await get(`/payments/${paymentId(1)}`))[0]).toBe(200);
});

test("the 801st request waits, the 1301st is turned away, reads included", async () => {
	const { clock, processor } = createHarness();
	processor.settings.delayMs = 100;
	const charge = (n: number) => processor.charge(async () => paymentBody(n));
	const charges = Array.from({ length: 1299 }, (_, n) => charge(n));
	const read = processor.read(paymentId(0));
	expect(await charge(5000)).toMatchObject({ status: 429, retryAfterSeconds: 5 });
	expect(await processor.read(paymentId(0))).toMatchObject({ status: 429 });
	await clock.advance(100);
	expect(processor.payments.count()).toBe(800);
	await clock.advance(100);
	expect(await Promise.all(charges)).toEqual(charges.map(() => expect.objectContaining({ status: 200 })));
	expect(await read).toMatchObject({ status: 200 });
	expect(processor.figures()).toMatchObject({
		posts: 1300,
		refused: 2,
		charged: 1299,
		executingMax: 800,
		queuedMax: 500,
	});
});

test("health: one answer a window, two wait, more get 429 with Retry-After, and it tells the switch of its own moment", async () => {
	const { clock, get, app, admin, processor } = createHarness();
	const health = "/payments/service-health";
	expect(await get(health)).toEqual([200, '{"failing":false,"minResponseTime":0}']);
	const waiting = [get(health), get(health)];
	const refused = await app.request(health);
	expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "5"]);
	await clock.advance(4999);
	await admin("PUT", "configurations/delay", { delay: 20 });
	await admin("PUT", "configurations/failure", { failure: true });
	await clock.advance(1);
	expect(await waiting[0]).toEqual([200, '{"failing":true,"minResponseTime":20}']);
	await clock.advance(5000);
	expect((await waiting[1])?.[0]).toBe(200);
	expect(processor.figures().health).toEqual({
		asked: 4,
		answered: 3,
		refused: 1,
		minAskedIntervalMs: 0,
		minAnsweredIntervalMs: 5000,
	});
});

test("every administrative call needs the token, which can be changed", async () => {
	const { app, admin, tell } = createHarness();
	for (const [method, path] of [
		["GET", "payments-summary"],
		["PUT", "configurations/token"],
		["PUT", "configurations/delay"],
		["PUT", "configurations/failure"],
		["PUT", "configurations/misbehaviour"],
		["POST", "purge-payments"],
		["GET", "payments"],
		["GET", "figures"],
		["DELETE", "figures"],
	] as const) {
		const headers = { "content-type": "application/json", "x-rinha-token": "124" };
		expect(await tell(app.request(`/admin/${path}`, { method, headers }))).toEqual([401, ""]);
	}
	expect(await admin("PUT", "configurations/token", { token: "other" })).toEqual([204, ""]);
	expect((await admin("GET", "figures"))[0]).toBe(401);
	const answer = await app.request("/admin/figures", { headers: { "x-rinha-token": "other" } });
	expect(answer.status).toBe(200);
});

test("the summary's bounds are inclusive to the microsecond, and with one bound or none it sums all", async () => {
	const { post, admin } = createHarness();
	await post(paymentBody(1, "0.10", "2025-07-15T12:00:00.000001Z"));
	await post(paymentBody(2, "0.20", "2025-07-15T12:00:00.000002Z"));
	await post(paymentBody(3, "0.40", "2025-07-15T12:00:00.000003Z"));
	const summary = async (query: string) => (await admin("GET", `payments-summary${query}`))[1];
	const at = (us: number) => `2025-07-15T12:00:00.00000${us}Z`;
	const of = (count: number, amount: string, fee: string) =>
		`{"totalRequests":${count},"totalAmount":${amount},"totalFee":${fee},"feePerTransaction":0.05}`;
	expect(await summary(`?from=${at(1)}&to=${at(2)}`)).toBe(of(2, "0.30", "0.0150"));
	expect(await summary(`?from=${at(2)}&to=${at(2)}`)).toBe(of(1, "0.20", "0.0100"));
	expect(await summary(`?from=${at(3)}&to=${at(1)}`)).toBe(of(0, "0.00", "0.0000"));
	for (const query of ["", `?from=${at(3)}`, `?to=${at(1)}`, "?from=&to="])
		expect(await summary(query)).toBe(of(3, "0.70", "0.0350"));
	expect((await admin("GET", "payments-summary?from=yesterday&to=today"))[0]).toBe(400);
});

test("totals beyond what a double holds are told to the cent", async () => {
	const { post, admin } = createHarness();
	for (let n = 0; n < 3; n++) await post(paymentBody(n, "90071992547409.91"));
	expect((await admin("GET", "payments-summary"))[1]).toContain('"totalAmount":270215977642229.73,');
});

test("a purge forgets all, and a charge that was sleeping comes after it", async () => {
	const { clock, post, admin, processor } = createHarness();
	await post(paymentBody(1));
	await admin("PUT", "configurations/delay", { delay: 50 });
	const sleeping = post(paymentBody(2));
	await clock.settle();
	expect(await admin("POST", "purge-payments")).toEqual([200, '{"message":"All payments purged."}']);
	expect(processor.payments.count()).toBe(0);
	await clock.advance(50);
	expect(await sleeping).toEqual(ok);
	expect(processor.payments.count()).toBe(1);
});

test("an audit reads everything in pages, and starts its count anew", async () => {
	const { post, admin } = createHarness();
	for (let n = 1; n <= 5; n++) await post(paymentBody(n));
	const page = async (query: string) => JSON.parse((await admin("GET", `payments${query}`))[1]);
	expect(await page("?limit=2")).toEqual({
		payments: [1, 2].map((n) => ({
			sequence: n,
			correlationId: paymentId(n),
			amount: 19.9,
			requestedAt: "2025-07-15T12:00:00",
		})),
		next: 2,
		total: 5,
	});
	expect((await page("?after=2")).payments.map(({ sequence }: { sequence: number }) => sequence)).toEqual([3, 4, 5]);
	expect(await page("?after=5")).toEqual({ payments: [], next: 5, total: 5 });
	for (const query of ["?limit=0", "?limit=10001", "?after=-1", "?after=x"])
		expect((await admin("GET", `payments${query}`))[0]).toBe(400);
	expect(JSON.parse((await admin("GET", "figures"))[1])).toMatchObject({ processor: "default", stored: 5, posts: 5 });
	expect((await admin("DELETE", "figures"))[0]).toBe(204);
	expect(JSON.parse((await admin("GET", "figures"))[1])).toMatchObject({ stored: 5, posts: 0 });
});

test.each([
	["no JSON", "application/json", "{", 400],
	["no content type", undefined, paymentBody(1), 415],
	["another content type", "text/plain", paymentBody(1), 415],
	["a body beyond all bounds", "application/json", `${paymentBody(1)}${" ".repeat(100_000)}`, 413],
])("%s is refused and stores nothing", async (_, type, body, status) => {
	const { app, processor } = createHarness();
	const headers: Record<string, string> = type === undefined ? {} : { "content-type": type };
	headers["content-length"] = String(body.length);
	const answer = await app.request("/payments", { method: "POST", headers, body: new Blob([body]) });
	expect(answer.status).toBe(status);
	expect(processor.payments.count()).toBe(0);
});

test.each([
	["delay", { delay: -1 }],
	["delay", { delay: "1" }],
	["failure", { failure: 1 }],
	["token", {}],
	["misbehaviour", { mode: "unheard_of" }],
	["misbehaviour", { mode: "cut", probability: 2 }],
	["misbehaviour", { mode: "cut", dely: 5 }],
	["misbehaviour", { mode: "status", status: 101 }],
])("a wrong %s (%o) is refused", async (what, body) => {
	expect((await createHarness().admin("PUT", `configurations/${what}`, body))[0]).toBe(400);
});
