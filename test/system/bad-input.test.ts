// The table of bad input against a whole relay: each row gets its answer, no process falls, and only good payments are charged.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { badInputs, exchange } from "../api/bad-input.ts";
import { patience } from "./conditions.ts";
import { createLab, type Lab } from "./lab.ts";

const services = ["cache", "consumer", "api"];
/** A slow body is given this long by the relay, and a little more by the test, ms. */
const rowMaxMs = 20_000;

let lab: Lab;
let pids: number[];
let failed = false;
const accepted = new Set<string>();
const everyPid = (): number[] => services.flatMap((service) => lab.relay.pids(service));

beforeAll(async () => {
	lab = await createLab({ settings: patience });
	await lab.relay.ready();
	pids = everyPid();
}, 60_000);
afterAll(() => lab.dispose(failed), 60_000);

describe.concurrent("bad input to a whole relay", () => {
	test.each(badInputs)("$name → $statuses", { timeout: rowMaxMs }, async ({ send, statuses, problem }) => {
		const id = randomUUID();
		const answers = await exchange(lab.relay.url, send(id), statuses.length);
		const seen = answers.map(({ status }) => status);
		failed ||= seen.join() !== statuses.join();
		expect(seen).toEqual(statuses);
		const last = answers.at(-1)!;
		if (problem === undefined) expect(last.body).toBe("");
		else expect(JSON.parse(last.body)).toMatchObject({ type: `urn:problem-type:payrelay:${problem}` });
		if (statuses.includes(202)) accepted.add(id);
	});
});

test("after all of it every process is the one that was started, and each good payment is charged once, nothing else", {
	timeout: 60_000,
}, async () => {
	expect(everyPid()).toEqual(pids);
	await lab.drained();
	const charges = (await Promise.all(lab.processors.map((one) => one.charges()))).flat();
	expect(charges.map(({ id }) => id).toSorted()).toEqual([...accepted].toSorted());
	expect(lab.relay.output()).not.toMatch(/ERROR|FATAL/);
});
