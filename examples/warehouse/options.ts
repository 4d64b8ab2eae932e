// The flags that every process of the examples understands.
import { join } from "node:path";
import { Command } from "commander";
import { amqpUrls, integer } from "../../src/setting-values.ts";

export interface Options {
	readonly amqpUrl: string;
	readonly namespace: string;
	readonly data: string;
	readonly port: number;
	readonly seed: string;
	readonly smtpUrl: string;
	readonly logLevel: string;
}

export type Style = "choreography" | "orchestration";

export function createProgram(style: Style): Command {
	return new Command(style)
		.option(
			"--amqp-url <url>",
			"the broker, amqp[s]://[user[:password]@]host[:port][/vhost]",
			amqpUrls(),
			"amqp://127.0.0.1:5672",
		)
		.option("--namespace <name>", "what the names of all queues and exchanges begin with", style)
		.option(
			"--data <folder>",
			"where every service keeps its database, and where reports and mails are",
			`data/${style}`,
		)
		.option("--port <port>", "where the inventory takes reports over HTTP/2, on loopback", integer(1, 65_535), 7070)
		.option("--seed <file>", "wishlists, and what the catalog has given up", join(import.meta.dirname, "seed.json"))
		.option("--smtp-url <url>", "where mails go, smtp[s]://[user:password@]host:port; none: into files", "")
		.option("--log-level <level>", "debug, info, warn, error", "warn");
}

/** The same as words of a command line, for a process that is started with them. */
export function toWords(options: Readonly<Record<string, unknown>>): string[] {
	return Object.entries(options).map(([name, value]) => {
		const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
		return `--${flag}=${value}`;
	});
}
