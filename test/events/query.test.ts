// The query back over HTTP, against a server that answers as a test says.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { viewPayment } from "../../src/api/payment-view.ts";
import { paymentToProto } from "../../src/cache/convert.ts";
import { queryPayment } from "../../src/events/query.ts";
import type { Payment } from "../../src/payment/life.ts";
import { anyLife, idOf, startUs } from "../cache/store/payments.ts";

const never = new AbortController().signal;
const view = `{"correlationId":"${idOf(1)}","amount":90071992547409.93,"state":"settled",
	"acceptedAt":"2025-07-15T12:00:00.000Z","processor":"fallback","requestedAt":"2025-07-15T12:00:00.001Z",
	"chargedAmount":19.90,"settledAt":"2025-07-15T12:00:00.000250Z","flagged":true,"attempts":1,"attemptLog":[]}`;

async function server(answer: { status: number; body?: string } | "none"): Promise<{ url: string; asked: string[] }> {
	const asked: string[] = [];
	const http = createServer((request, response) => {
		asked.push(`${request.method} ${request.url}`);
		if (answer !== "none") response.writeHead(answer.status).end(answer.body);
	});
	await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
	onTestFinished(() => {
		http.closeAllConnections();
		http.close();
	});
	return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, asked };
}

test("a payment is read with its exact amounts", async () => {
	const { url, asked } = await server({ status: 200, body: view });
	expect(await queryPayment(url)(idOf(1), never)).toEqual({
		id: idOf(1),
		amountCents: 9_007_199_254_740_993n,
		state: "settled",
		acceptedAtUs: startUs,
		processor: "fallback",
		requestedAtUs: startUs + 1_000,
		chargedCents: 1_990n,
		settledAtUs: startUs + 250,
		flagged: true,
	});
	expect(asked).toEqual([`GET /payments/${idOf(1)}`]);
});

test("what the api shows of a payment, wherever that is in its life, is understood", async () => {
	const answer = { status: 200, body: "" };
	const { url } = await server(answer);
	await fc.assert(
		fc.asyncProperty(anyLife, async (live) => {
			const payment = live(idOf(1)).at(-1) as Payment;
			answer.body = JSON.stringify(viewPayment(paymentToProto(payment)));
			const { id, amountCents, state, acceptedAtUs, charge, pin, settledAtUs, flagged } = payment;
			const bound = charge ?? pin;
			expect(await queryPayment(url)(id, never)).toEqual({
				...{ id, amountCents, state, acceptedAtUs, flagged },
				...(bound && { processor: bound.processor, requestedAtUs: bound.requestedAtUs }),
				...(charge && { chargedCents: charge.amountCents }),
				...(settledAtUs !== undefined && { settledAtUs: Math.floor(settledAtUs) }),
			});
		}),
		{ numRuns: 40 },
	);
});

test("a payment that is not known is undefined", async () => {
	const { url } = await server({ status: 404, body: "{}" });
	expect(await queryPayment(url)(idOf(1), never)).toBeUndefined();
});

test.each([
	["503", { status: 503 }, /was answered 503/],
	["another payment", { status: 200, body: view.replace(idOf(1), idOf(2)) }, /is not understood/],
	["half an answer", { status: 200, body: view.slice(0, 40) }, /JSON/],
	["too much", { status: 200, body: " ".repeat(70_000) }, /more than 65536 bytes/],
])("an answer of %s rejects", async (_, answer, why) => {
	const { url } = await server(answer);
	await expect(queryPayment(url)(idOf(1), never)).rejects.toThrow(why);
});

test("nobody there rejects, and so does a server that says nothing, or a caller who leaves", async () => {
	await expect(queryPayment("http://127.0.0.1:1")(idOf(1), never)).rejects.toThrow();
	const { url } = await server("none");
	await expect(queryPayment(url, { timeoutMs: 30, bodyMaxBytes: 1_000 })(idOf(1), never)).rejects.toThrow(/timeout/);
	const leaving = new AbortController();
	const asked = queryPayment(url)(idOf(1), leaving.signal);
	leaving.abort(new Error("left"));
	await expect(asked).rejects.toThrow("left");
});
