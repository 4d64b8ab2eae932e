// The one command of each style: what its exit status says.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test, vi } from "vitest";
import { selfCommand } from "../../src/runtime.ts";
import { brokerInstalled } from "../amqp/broker.ts";
import { setStage } from "./stage.ts";

const module = new URL("../../examples/warehouse/play.ts", import.meta.url).href;

/** Several processes are started for each. */
vi.setConfig({ testTimeout: 90_000 });

test.skipIf(!brokerInstalled).each([
	["it has shown all", "({})", 0, "can be sold"],
	["what there is to show cannot be read", "undefined.sagas", 1, "Cannot read properties of undefined"],
])("when %s", async (_, more, status, said) => {
	const { data, fleet } = await setStage("choreography");
	const script = `
		import { play } from ${JSON.stringify(module)};
		const options = ${JSON.stringify(fleet.options)};
		await play({ style: "choreography", options, inventoryWords: [], once: true, more: () => ${more} });`;
	// A file, as its services get the runtime's own options too.
	const file = join(data, "play.mjs");
	await writeFile(file, script);
	const [program, ...words] = selfCommand(file);
	const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
	const [output, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
	expect(output).toContain(said);
	expect(code).toBe(status);
});
