// What a person may say of a decision.
import { expect, test } from "vitest";
import { parseResolutionRequest } from "../../src/api/resolution-request.ts";

test("who and why are taken up to their bounds, and not beyond", () => {
	// Whatever a character takes: these two take two units of UTF-16.
	const asked = (who: number, why: number) =>
		parseResolutionRequest(JSON.stringify({ decision: "retry", who: "🙂".repeat(who), why: "🙃".repeat(why) }));
	expect(asked(200, 1_000)).not.toHaveProperty("errors");
	expect(asked(201, 1_000)).toMatchObject({ errors: [{ pointer: "#/who" }] });
	expect(asked(200, 1_001)).toMatchObject({ errors: [{ pointer: "#/why" }] });
});

test("half a character is no text: it could not be kept as it was written", () => {
	const text = String.raw`{"decision":"retry","who":"\ud800","why":"ok"}`;
	expect(parseResolutionRequest(text)).toMatchObject({ errors: [{ pointer: "#/who" }] });
});
