// Bad input over a real socket: each row of the table gets the answer that it deserves, and harms nobody else.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bodyMaxBytes, createApi } from "../../src/api/api.ts";
import { type RunningServer, serveApi, serverLimits } from "../../src/api/serve.ts";
import { systemClock } from "../../src/clock.ts";
import { badInputs, exchange, post } from "./bad-input.ts";
import { createFakeQueue, fakeStats } from "./fake-cache.ts";

const faults: unknown[] = [];
const queue = createFakeQueue();
/** One for requests that are late on purpose, and one that has time for all others. */
let [hasty, patient]: RunningServer[] = [];

beforeAll(async () => {
	const onFault = (error: unknown) => faults.push(error);
	const { enqueue } = queue;
	const { app, acceptPayment } = createApi({ enqueue, stats: fakeStats(), clock: systemClock, onFault });
	const short = { ...serverLimits, headersTimeoutMs: 150, requestTimeoutMs: 200, timeoutCheckMs: 20 };
	[hasty, patient] = await Promise.all(
		[short, serverLimits].map((limits) =>
			serveApi(app.fetch, { host: "127.0.0.1", port: 0 }, { limits, acceptPayment, bodyMaxBytes }),
		),
	);
});
afterAll(() => Promise.all([hasty?.close(0), patient?.close(0)]));

describe("bad input", () => {
	test.each(badInputs)("$name → $statuses", async ({ send, statuses, problem, fields }) => {
		const { address } = (statuses.includes(408) ? hasty : patient)!;
		const answers = await exchange(address, send(randomUUID()), statuses.length);
		expect(answers.map(({ status }) => status)).toEqual(statuses);
		const last = answers.at(-1)!;
		if (problem === undefined) {
			expect(last.body).toBe("");
		} else {
			expect(last.headers.get("content-type")).toBe("application/problem+json");
			const document = JSON.parse(last.body);
			expect(document).toMatchObject({ type: `urn:problem-type:payrelay:${problem}`, status: statuses.at(-1) });
			expect(document.title).toEqual(expect.any(String));
			expect(document.detail).toEqual(expect.any(String));
			expect(document.errors?.map((one: Record<string, string>) => one.pointer ?? one.parameter)).toEqual(fields);
			expect(last.body).not.toMatch(/at .*\.ts|node_modules|Error:/);
		}
		if (last.status === 405) expect(last.headers.get("allow")).toMatch(/GET, HEAD|POST/);
	});

	test("nothing of it was a fault of the API, and a good payment still gets its answer", async () => {
		expect(faults).toEqual([]);
		const id = randomUUID();
		const [answer] = await exchange(
			patient!.address,
			post(`{"correlationId":"${id.toUpperCase()}","amount":19.900}`),
			1,
		);
		expect(answer?.status).toBe(202);
		expect(queue.amounts.get(id)).toBe(1990n);
	});
});
