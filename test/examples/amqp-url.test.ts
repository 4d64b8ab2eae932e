// A broker's URL that is none, given to the programs of the examples.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { projectRoot, runtimeCommand } from "../system/relay.ts";

const run = promisify(execFile);
const programs = {
	"compare.ts": [],
	"calls/compare.ts": [],
	"choreography/main.ts": [],
	"orchestration/main.ts": [],
	"events/processed.ts": [],
	"fibonacci/call.ts": ["1"],
	"fibonacci/callback-queues.ts": [],
	"fibonacci/serve.ts": [],
};

test.each(
	Object.entries(programs),
)("%s ends with a line that names the flag and what was given", async (name, words) => {
	const [program, ...before] = runtimeCommand;
	const url = "amqp://x%:y@host";
	const command = [...before, join(projectRoot, "examples", name), "--amqp-url", url, ...words];
	const ended = await run(program, command, { timeout: 30_000 }).catch((error: unknown) => error);
	expect(ended).toMatchObject({
		code: 1,
		stdout: "",
		stderr: expect.stringMatching(
			/^error: option '--amqp-url <url>' argument 'amqp:\/\/x%:y@host' is invalid\. Expected amqp\[s\]:.*\.\n$/,
		),
	});
});
