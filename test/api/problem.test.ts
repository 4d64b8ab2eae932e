// Problems as they are documented.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type ProblemKind, problemStatus } from "../../src/api/problem.ts";

/** All of them: the compiler misses one that is left out. */
const kinds: Readonly<Record<ProblemKind, true>> = {
	"malformed-request": true,
	"malformed-body": true,
	"invalid-payment": true,
	"invalid-query": true,
	"invalid-id": true,
	"invalid-resolution": true,
	unauthorized: true,
	"not-found": true,
	"unknown-payment": true,
	"method-not-allowed": true,
	"request-timeout": true,
	"payment-conflict": true,
	"not-parked": true,
	"body-too-large": true,
	"unsupported-media-type": true,
	"expectation-failed": true,
	"queue-full": true,
	"headers-too-large": true,
	internal: true,
	"coding-unknown": true,
	unavailable: true,
};

test("the README tells each kind of problem, under its status", () => {
	const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
	const rows = [...readme.matchAll(/^\| (\d{3}(?:, \d{3})*) \| (.+?) \|/gm)];
	const told = rows.flatMap(([, statuses = "", problems = ""]) => {
		const status = statuses.split(", ").map(Number);
		return [...problems.replaceAll("(with `errors`)", "").matchAll(/`([a-z-]+)`/g)].map(([, kind], i) => [
			kind,
			status[i] ?? status[0],
		]);
	});
	const own = Object.keys(kinds).map((kind) => [kind, problemStatus(kind as ProblemKind)]);
	expect(Object.fromEntries(told)).toEqual(Object.fromEntries(own));
});
