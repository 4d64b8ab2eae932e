// A relay that the bench was told of, and that is not there yet.
import { expect, onTestFinished, test, vi } from "vitest";
import { openTarget } from "../../src/bench/target.ts";

test("who waits for a relay that does not answer is told so at once", async () => {
	const stop = new AbortController();
	const told = vi.spyOn(process.stderr, "write").mockImplementation(() => {
		stop.abort(new Error("stopped"));
		return true;
	});
	onTestFinished(() => told.mockRestore());
	// A port that no client may ask for.
	const options = { url: "http://127.0.0.1:1", token: "", env: {}, nginx: "", flags: {}, logPath: "" };
	await expect(openTarget(options, stop.signal)).rejects.toThrow("stopped");
	expect(told.mock.calls).toEqual([["waiting for http://127.0.0.1:1/payments-summary, 60 s at most\n"]]);
});
