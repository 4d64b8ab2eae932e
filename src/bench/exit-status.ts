// From a scenario's run to the bench's exit status: its result is kept, told and judged.
import { settingTable } from "../setting-table.ts";
import type { TargetCliOptions } from "./cli-options.ts";
import type { Terminal } from "./live.ts";
import { verdict } from "./report.ts";
import { makeFolder, type ScenarioResult, toJson, writeResults } from "./results.ts";

export const exitBroken = 1;
/** The bench itself could not do its work. */
export const exitTrouble = 2;

/** Keeps a scenario's result, with what was given for it but for secrets, and tells it; resolves to the exit status. */
export async function statusOf(
	name: string,
	given: Pick<TargetCliOptions, "out"> & Partial<TargetCliOptions>,
	out: Terminal,
	run: (folder: string) => Promise<ScenarioResult>,
): Promise<number> {
	const { adminKey: _, token: __, ...setting } = given;
	try {
		const folder = await makeFolder(setting.out, name, new Date());
		const result = await run(folder);
		const kept = { ...setting, ...(setting.env && { env: withoutSecrets(setting.env) }) };
		await writeResults(folder, result, withoutUserInfo(kept));
		for (const { name, value, unit } of result.figures)
			out.write(`${name}: ${value ?? "-"} ${unit}`.trimEnd().concat("\n"));
		out.write(`${verdict(result.violations).join("\n")}\nresults in ${folder}\n`);
		return result.violations.length === 0 ? 0 : exitBroken;
	} catch (error) {
		out.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
		return exitTrouble;
	}
}

/** Settings of the relay, but for those that can hold a password or a token. */
function withoutSecrets(env: TargetCliOptions["env"]): TargetCliOptions["env"] {
	const secret = [settingTable.amqpUrl.name, settingTable.processorToken.name];
	return Object.fromEntries(Object.entries(env).filter(([name]) => !secret.includes(name)));
}

/** The same, with no user name and no password in any URL. */
function withoutUserInfo(given: object): unknown {
	return JSON.parse(toJson(given).replaceAll(/\/\/[^/,\s"]*@/g, "//"));
}
