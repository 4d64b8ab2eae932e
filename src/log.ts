// The log: one structured line an event, on standard error, so that standard output stays for people.
import { Transform } from "node:stream";
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

/** A longer one is passed on in pieces. */
const lineMaxBytes = 1024 * 1024;
const newline = Buffer.from("\n");

/** Passes whole lines on, so that those of several sources do not get into one another. */
export function wholeLines(): Transform {
	let begun: Buffer[] = [];
	let begunBytes = 0;
	return new Transform({
		transform(chunk: Buffer, _, done) {
			const end = chunk.lastIndexOf(newline) + 1;
			const isLong = begunBytes + chunk.length > lineMaxBytes;
			const cut = end === 0 && isLong ? chunk.length : end;
			if (cut > 0) {
				this.push(Buffer.concat([...begun, chunk.subarray(0, cut)]));
				begun = [];
				begunBytes = 0;
			}
			begun.push(chunk.subarray(cut));
			begunBytes += chunk.length - cut;
			done();
		},
		flush(done) {
			if (begunBytes > 0) this.push(Buffer.concat([...begun, newline]));
			done();
		},
	});
}
