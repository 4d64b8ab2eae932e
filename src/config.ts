// Reads the settings, from the environment or from a flag, which wins, and hands them on to child processes.
import { type Command, Option } from "commander";
import { type Setting, settingTable } from "./setting-table.ts";

export type Settings = { readonly [K in keyof typeof settingTable]: (typeof settingTable)[K]["default"] };

/** Adds every setting to a command, as an option that the environment can give as well. */
export function addSettings(command: Command): Command {
	for (const { name, default: fallback, unit, meaning, parse } of Object.values(settingTable) as Setting<unknown>[]) {
		const value = unit === "" ? "value" : unit.toLowerCase().replaceAll(" ", "-");
		const option = new Option(`${flag(name)} <${value}>`, meaning).env(name).argParser(parse);
		command.addOption(option.default(fallback, fallback === "" ? "none" : String(fallback)));
	}
	return command.configureOutput({ outputError: (text, write) => write(withoutPasswords(text)) });
}

/** What is said of a wrong value quotes it, and a URL may have a user and a password. */
function withoutPasswords(text: string): string {
	return text.replace(/:\/\/.*@(?=.*' (?:from env|is invalid))/s, "://***@");
}

/** The settings that a command was given. A wrong one ends the process: its name, its value, and what was expected. */
export function readSettings(command: Command): Settings {
	const options = command.optsWithGlobals();
	const settings = Object.fromEntries(
		Object.entries(settingTable).map(([key, { name }]) => [key, options[camel(flag(name).slice(2))]]),
	) as Settings;
	for (const [min, max] of ranges)
		if (settings[min] > settings[max])
			command.error(
				`error: ${settingTable[max].name} is ${settings[max]}. Expected at least ${settingTable[min].name}, which is ${settings[min]}.`,
			);
	const { processorDefaultUrl: url } = settings;
	if (url !== "" && url === settings.processorFallbackUrl)
		command.error(
			`error: ${settingTable.processorDefaultUrl.name} and ${settingTable.processorFallbackUrl.name} are both ${url}. Expected two processors.`,
		);
	return settings;
}

/** Settings of which one may not be above the other. */
const ranges = [
	["chargeDeadlineMinMs", "chargeDeadlineMaxMs"],
	["doubtPauseMinMs", "doubtPauseMaxMs"],
] as const;

/** The environment that gives a child process these settings; an empty one, too, as a flag may have emptied what was set. */
export function toEnvironment(settings: Settings): Record<string, string> {
	return Object.fromEntries(
		Object.entries(settingTable).map(([key, { name }]) => [name, String(settings[key as keyof Settings])]),
	);
}

const flag = (name: string) => `--${name.toLowerCase().replaceAll("_", "-")}`;
const camel = (dashed: string) => dashed.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
