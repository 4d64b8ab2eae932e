// The routes of a simulated processor: the challenge's API, and under /admin what tests and benches need beside it.
//
//   GET    /admin/payments?after=0&limit=1000     the stored payments by insertion, behind sequence number `after`:
//                                                 {"payments": [{"sequence", "correlationId", "amount", "requestedAt"}],
//                                                 "next": <the `after` of the next page>, "total": <stored in all>}
//   GET    /admin/figures                         what was counted since the start or the last reset: see figures.ts
//   DELETE /admin/figures                         starts counting anew
//   PUT    /admin/configurations/misbehaviour     see misbehaviour.ts
import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { formatCents } from "../payment/amount.ts";
import { parseInstant } from "../payment/instant.ts";
import { jsonType } from "./answer.ts";
import { deliver } from "./deliver.ts";
import type { FeeRate } from "./fee.ts";
import { parseMisbehaviour } from "./misbehaviour.ts";
import { paymentFields, type SimulatedProcessor } from "./processor.ts";
import { parseObject } from "./request.ts";

/** Empty where the app is called without a server. */
type Env = { Bindings: Partial<HttpBindings> };

/** No request of the contract comes near it. */
const bodyMaxBytes = 64 * 1024;
const pageDefault = 1000;
const pageMax = 10_000;
const delayMaxMs = 2 ** 31 - 1;

/** `name` is how the processor calls itself in its figures. */
export function createProcessorApp(name: string, processor: SimulatedProcessor, fee: FeeRate): Hono<Env> {
	const { settings, payments } = processor;
	const app = new Hono<Env>();

	/** ASP.NET answers so to a body that does not say that it is JSON. */
	app.on(["POST", "PUT"], ["/payments", "/admin/configurations/*"], async (c, next) => {
		if (!/^application\/(?:[\w.-]+\+)?json\b/i.test(c.req.header("content-type") ?? "")) return c.body(null, 415);
		const length = c.req.header("content-length");
		if (length === undefined) return chunkedLimit(c, next);
		return Number(length) > bodyMaxBytes ? c.body(null, 413) : next();
	});

	app.post("/payments", async (c) => deliver(await processor.charge(() => readBody(c)), c.env, processor.pause));
	app.get("/payments/service-health", async (c) => deliver(await processor.health(), c.env, processor.pause));
	app.get("/payments/:id", async (c) => deliver(await processor.read(c.req.param("id")), c.env, processor.pause));

	app.use("/admin/*", (c, next) =>
		c.req.header("x-rinha-token") === settings.token ? next() : Promise.resolve(c.body(null, 401)),
	);

	app.get("/admin/payments-summary", (c) => {
		const from = parseBound(c.req.query("from"));
		const to = parseBound(c.req.query("to"));
		if (from === "malformed" || to === "malformed") return c.body(null, 400);
		const bounds = from !== undefined && to !== undefined ? { fromUs: from, toUs: to } : undefined;
		const { count, cents } = payments.sum(bounds);
		return json(
			c,
			`{"totalRequests":${count},"totalAmount":${formatCents(cents)},"totalFee":${fee.of(cents)},"feePerTransaction":${fee.text}}`,
		);
	});

	app.put("/admin/configurations/token", async (c) => {
		const token = parseObject(await c.req.text())?.token;
		if (typeof token !== "string") return c.body(null, 400);
		settings.token = token;
		return c.body(null, 204);
	});

	app.put("/admin/configurations/delay", async (c) => {
		const delay = parseObject(await c.req.text())?.delay;
		if (typeof delay !== "number" || !Number.isInteger(delay) || delay < 0 || delay > delayMaxMs)
			return c.body(null, 400);
		const was = settings.delayMs;
		settings.delayMs = delay;
		return c.json({ config: "delay", was, is: delay });
	});

	app.put("/admin/configurations/failure", async (c) => {
		const failing = parseObject(await c.req.text())?.failure;
		if (typeof failing !== "boolean") return c.body(null, 400);
		const was = settings.failing;
		settings.failing = failing;
		return c.json({ config: "failure", was, is: failing });
	});

	app.put("/admin/configurations/misbehaviour", async (c) => {
		const asked = parseObject(await c.req.text());
		const misbehaviour = asked && parseMisbehaviour(asked);
		if (!misbehaviour) return c.body(null, 400);
		const was = settings.misbehaviour;
		settings.misbehaviour = misbehaviour;
		return c.json({ config: "misbehaviour", was, is: misbehaviour });
	});

	app.post("/admin/purge-payments", (c) => {
		payments.clear();
		return c.json({ message: "All payments purged." });
	});

	app.get("/admin/payments", (c) => {
		const after = Number(c.req.query("after") ?? 0);
		const limit = Number(c.req.query("limit") ?? pageDefault);
		if (!Number.isSafeInteger(after) || after < 0 || !Number.isInteger(limit) || limit < 1 || limit > pageMax)
			return c.body(null, 400);
		const page = payments.page(after, limit);
		const rows = page.map((payment) => `{"sequence":${payment.sequence},${paymentFields(payment)}}`);
		return json(
			c,
			`{"payments":[${rows.join()}],"next":${page.at(-1)?.sequence ?? after},"total":${payments.count()}}`,
		);
	});

	app.get("/admin/figures", (c) => c.json({ processor: name, stored: payments.count(), ...processor.figures() }));
	app.delete("/admin/figures", (c) => {
		processor.resetFigures();
		return c.body(null, 204);
	});

	return app;
}

/** Amounts are written as text: a double could not hold every total. */
function json(c: Context<Env>, text: string): Response {
	return c.body(text, 200, { "content-type": jsonType });
}

const chunkedLimit = bodyLimit({ maxSize: bodyMaxBytes });

/** What a caller that left in the middle of its body has sent is no request: it is taken as an empty one. */
function readBody(c: Context<Env>): Promise<string> {
	return c.req.text().catch(() => "");
}

/** Digits beyond microseconds are cut at both ends, as the database's driver does. */
function parseBound(text: string | undefined): number | undefined | "malformed" {
	if (text === undefined || text === "") return undefined;
	return parseInstant(text) ?? "malformed";
}
