// The log: one structured line an event, on standard error, so that standard output stays for people.
import type { Transform } from "node:stream";
import { type Logger, pino } from "pino";

export type { Logger } from "pino";

/** A logger for one process; `text` is for eyes, `json` for machines. */
export async function createLog(service: string, level: string, format: "text" | "json"): Promise<Logger> {
	const options = { level, base: { service }, timestamp: pino.stdTimeFunctions.isoTime };
	return format === "json"
		? pino(options, pino.destination({ dest: 2, sync: true }))
		: pino(options, await prettyLines());
}

/** A stream that takes JSON lines and writes them for eyes to standard error. Loaded only where it is used. */
export async function prettyLines(): Promise<Transform> {
	const { default: pretty } = await import("pino-pretty");
	return pretty({
		// Not by its number: what goes wrong with that, pino-pretty keeps to itself.
		destination: process.stderr,
		colorize: process.stderr.isTTY === true,
		translateTime: "SYS:HH:MM:ss.l",
		ignore: "pid,hostname,service",
		messageFormat: "{service}: {msg}",
	});
}
