// The options that the bench's scenarios share, and how values on the command line are read.
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Spacing } from "./arrivals.ts";
import { parseRival, type Rivals } from "./rivals.ts";

/** What is driven, and where the results go. */
export interface TargetCliOptions {
	readonly url?: string;
	readonly defaultUrl?: string;
	readonly fallbackUrl?: string;
	readonly token: string;
	readonly adminKey?: string;
	readonly pid?: number;
	readonly env: Record<string, string>;
	readonly limit?: string;
	readonly nginx: string;
	readonly flags: Record<string, string>;
	readonly out: string;
}

/** How payments are posted and judged. */
export interface LoadCliOptions {
	readonly seed: number;
	readonly runs: number;
	readonly connections: number;
	readonly timeout: number;
	readonly drainSeconds: number;
	readonly spacing: Spacing;
	readonly auditEvery: number;
	readonly auditGrace: number;
}

/** Of scenarios that a relay can go through which was not started for them. */
export function addGivenRelay(command: Command): Command {
	return command
		.option("--url <url>", "a relay that runs already, or any server with the challenge's API; else one is started")
		.option("--pid <n>", "with --url: the process whose descendants' memory and CPU are measured", whole);
}

export function addTargetOptions(command: Command): Command {
	return command
		.option("--default-url <url>", "the default processor as the bench reaches it (with --url: http://127.0.0.1:8001)")
		.option(
			"--fallback-url <url>",
			"the fallback processor as the bench reaches it (with --url: http://127.0.0.1:8002)",
		)
		.option("--token <text>", "the processors' X-Rinha-Token", "123")
		.option("--admin-key <text>", "the relay's administration key, where it asks for one")
		.addOption(
			new Option("--env <NAME=VALUE>", "a setting of the relay that is started; may be repeated")
				.argParser(environment)
				.default({}),
		)
		.option(
			"--limit <command>",
			"start the relay as docker-compose.yml does, nginx included, each service as `<command> NAME CPUS MEM_MB SERVICE…`",
		)
		.option("--nginx <program>", "with --limit: where nginx is", "nginx")
		.addOption(
			new Option(
				"--flags <SERVICE=FLAGS>",
				"with --limit: a service's runtime flags instead of its own; may be repeated",
			)
				.argParser(environment)
				.default({}),
		)
		.option("--out <folder>", "where the results go", "bench-results");
}

/** What a scenario has that does not offer the option. */
export const loadDefaults: LoadCliOptions = {
	seed: 1,
	runs: 1,
	connections: 256,
	timeout: 1_500,
	drainSeconds: 30,
	spacing: "constant",
	auditEvery: 10,
	auditGrace: 50,
};

const loadOptions = {
	seed: new Option("--seed <n>", "repeats amounts, arrivals and timetables").argParser(notNegative),
	runs: new Option("--runs <n>", "repeats the run without a restart, and compares memory").argParser(whole),
	connections: new Option("--connections <n>", "keep-alive connections of the load").argParser(whole),
	timeout: new Option("--timeout <ms>", "of one post, ms").argParser(positive),
	drainSeconds: new Option(
		"--drain-seconds <s>",
		"how long all may take to be settled after the load, once both processors are well, s",
	).argParser(positive),
	spacing: new Option("--spacing <how>", "of open-loop arrivals").choices(["constant", "poisson"]),
	auditEvery: new Option("--audit-every <s>", "time between audits, s; 0: none").argParser(notNegative),
	auditGrace: new Option("--audit-grace <ms>", "from a processor's reading to the relay's in an audit, ms").argParser(
		notNegative,
	),
};

/** Those that the scenario reads. */
export function addLoadOptions(command: Command, names: readonly (keyof LoadCliOptions)[]): Command {
	for (const name of names) command.addOption(loadOptions[name].default(loadDefaults[name]));
	return command;
}

export interface BesideOption {
	readonly beside: Rivals;
}

/** Of scenarios that other servers can go through as well. */
export function addBeside(command: Command): Command {
	return command.addOption(
		new Option(
			"--beside <NAME=URL[,DEFAULT_URL,FALLBACK_URL]>",
			"another server with the challenge's API, and its processors, measured as well; may be repeated",
		)
			.argParser(parseRival)
			.default({}),
	);
}

function checked(test: (value: number) => boolean, expected: string): (text: string) => number {
	return (text) => {
		const value = text.trim() === "" ? Number.NaN : Number(text);
		if (!test(value)) throw new InvalidArgumentError(`Expected ${expected}.`);
		return value;
	};
}

export function positive(text: string): number {
	return checked((value) => value > 0 && value < Number.POSITIVE_INFINITY, "a number above 0")(text);
}

export function notNegative(text: string): number {
	return checked((value) => value >= 0 && value < Number.POSITIVE_INFINITY, "a number of 0 or more")(text);
}

export function whole(text: string): number {
	return checked((value) => Number.isSafeInteger(value) && value > 0, "a whole number above 0")(text);
}

export function rateList(text: string): number[] {
	return text.split(",").map(positive);
}

export function countList(text: string): number[] {
	return text.split(",").map(whole);
}

function environment(text: string, before: Record<string, string>): Record<string, string> {
	const at = text.indexOf("=");
	if (at < 1) throw new InvalidArgumentError("Expected NAME=VALUE.");
	return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
