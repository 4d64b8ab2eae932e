// The one command of each style: what its exit status says.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { selfCommand } from "../../src/runtime.ts";
import { brokerInstalled } from "../amqp/broker.ts";
import { setStage } from "./stage.ts";

const module = fileURLToPath(new URL("play-process.ts", import.meta.url));

/** Several processes are started for each. */
vi.setConfig({ testTimeout: 90_000 });

test.skipIf(!brokerInstalled).each([
	["it has shown all", [], 0, "can be sold"],
	["what there is to show cannot be read", ["no such table"], 1, "no such table"],
])("when %s", async (_, words, status, said) => {
	const { fleet } = await setStage("choreography");
	const [program, ...more] = selfCommand(module, [JSON.stringify(fleet.options), ...words]);
	const child = spawn(program, more, { stdio: ["ignore", "pipe", "inherit"] });
	const [output, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
	expect(output).toContain(said);
	expect(code).toBe(status);
});
