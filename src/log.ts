// The log: one structured line an event, on standard error, so that standard output stays for people.
import { type Logger, pino } from "pino";
import pretty from "pino-pretty";

export type { Logger } from "pino";

/** A logger for one process; `text` is for eyes, `json` for machines. */
export function createLog(service: string, level: string, format: "text" | "json"): Logger {
	const options = { level, base: { service }, timestamp: pino.stdTimeFunctions.isoTime };
	return format === "json" ? pino(options, pino.destination({ dest: 2, sync: true })) : pino(options, prettyLines());
}

/** A stream that takes JSON lines and writes them for eyes to standard error. */
export function prettyLines(): ReturnType<typeof pretty> {
	return pretty({
		destination: 2,
		sync: true,
		colorize: process.stderr.isTTY === true,
		translateTime: "SYS:HH:MM:ss.l",
		ignore: "pid,hostname,service",
		messageFormat: "{service}: {msg}",
	});
}
