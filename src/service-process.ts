// The life of one service's process: it starts, says that it is ready, runs until it is told to stop, and ends.
import { createLog, type Logger } from "./log.ts";
import { fullDisk, Refusal, refusalOf } from "./refusal.ts";
import { keepCompiledCode } from "./runtime.ts";
import { exitRefused } from "./supervisor.ts";

/** A service that runs. */
export interface RunningService {
	/** Where it is to be reached, for its ready line. */
	readonly address: string;
	/** Stops taking work, ends what it has, and lets go of everything. */
	close(): Promise<void>;
}

/** The environment's name by which a service knows that a supervisor holds its standard input open. */
export const supervisedVariable = "PAYRELAY_SUPERVISED";

/** What tells a process to stop. The last one comes with the end of its terminal. */
export const stopSignals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

export interface ServiceProcess {
	readonly name: string;
	readonly supervised: boolean;
	readonly stopMs: number;
	readonly logLevel: string;
	readonly logFormat: "text" | "json";
	/** Starts the service; `fail` ends the process, for a service that can no longer keep its promises. */
	readonly start: (log: Logger, fail: (error: unknown) => void) => Promise<RunningService>;
}

export async function runServiceProcess(service: ServiceProcess): Promise<void> {
	const { name, supervised, stopMs } = service;
	const log = await createLog(name, service.logLevel, service.logFormat);
	const end = (error: unknown, what: string): never => {
		const full = fullDisk(error);
		if (full === undefined) log.fatal({ err: error }, what);
		else log.fatal(`${what}: ${full}`);
		process.exit(1);
	};
	process.on("uncaughtException", (error) => end(error, "an error that nobody expected; the process ends"));
	process.on("unhandledRejection", (error) => end(error, "a rejection that nobody handled; the process ends"));

	const refuse = (refusal: string): never => {
		log.fatal(refusal);
		process.exit(exitRefused);
	};
	const fail = (error: unknown): never => {
		const refusal = [error, (error as Error).cause].find((one) => one instanceof Refusal);
		return refusal ? refuse(refusal.message) : end(error, "promises can no longer be kept; the process ends");
	};

	// What it needs may be long in coming, and it may be told to stop before that, or its supervisor end. In a container,
	// as the first process, it gets no signal that it does not listen to; nor would it get one that came before its listener
	// was replaced by another.
	let stop = (): void => process.exit(0);
	const told = (): void => stop();
	for (const signal of stopSignals) process.on(signal, told);
	if (supervised) process.stdin.once("end", told).resume();
	let running: RunningService;
	try {
		running = await service.start(log, fail);
	} catch (error) {
		const refusal = refusalOf(error);
		return refusal === undefined ? end(error, "cannot start") : refuse(refusal);
	}

	let stopping = false;
	stop = async () => {
		if (stopping) return;
		stopping = true;
		setTimeout(() => end(undefined, `did not stop within ${stopMs} ms; the process ends`), stopMs).unref();
		await running.close();
		process.exit(0);
	};
	keepCompiledCode();
	process.stdout.write(`${name.padEnd(18)} ready  ${running.address}\n`);
}
