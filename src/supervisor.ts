// The supervisor: starts every service as a process of its own, starts it again when it dies, and stops all in order.
//
// A service says on standard output that it is ready, in one line, and logs on standard error. It holds its standard
// input open for as long as the supervisor lives: when that ends, however, the service stops by itself, so that no
// child outlives its parent. A service that ends with `exitRefused` said that starting it again is of no use.
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Writable } from "node:stream";
import type { Clock } from "./clock.ts";
import { type Logger, wholeLines } from "./log.ts";
import { sendSignal } from "./runtime.ts";

/** The exit status of a service that refuses to run as it was told: sysexits' EX_CONFIG. */
export const exitRefused = 78;

export interface ServiceSpec {
	/** How the service is called, on its line and in the log. */
	readonly name: string;
	readonly command: readonly [string, ...string[]];
	readonly env: Readonly<Record<string, string>>;
}

export interface SupervisorOptions {
	/** In order: each group starts when the one before is ready, and stops when the one after has stopped. */
	readonly groups: readonly (readonly ServiceSpec[])[];
	readonly clock: Clock;
	readonly log: Logger;
	/** One readable line a service, when it is ready for the first time. */
	readonly say: (line: string) => void;
	/** Takes the services' log lines. When it fails or closes, all stops: a relay whose log nobody can read is none to trust. */
	readonly logLines: NodeJS.WritableStream;
	readonly stopMs: number;
	/** How long a service may take until it is ready. Too late at the first start, all stops; later, it is started again. */
	readonly startMs: number;
}

/** Pauses before a service is started again: growing, and short again once it has run well. */
const restartMinMs = 20;
const restartMaxMs = 5_000;
/** Longer than a warm-up takes, so that one that ends right after it is not started again at once for ever. */
const ranWellMs = 10_000;
/** A service that does not stop in its time says so and ends; one that is still there so much later is killed, ms. */
const lastWordMs = 1_000;

interface Service {
	readonly spec: ServiceSpec;
	child?: ChildProcess;
	exited: Promise<void>;
	pauseMs: number;
	/** Resolved by whichever child is ready first: one that ends before that is started again too. */
	readonly ready: PromiseWithResolvers<void>;
	said: boolean;
}

/** Why all stops: it was told to; a service refused to run; one was not ready in time; the log could not be written. */
export type StopReason = "told" | "refused" | "late" | "log lost";

/** The exit status of whoever supervised. */
export const exitOf: Readonly<Record<StopReason, number>> = { told: 0, refused: exitRefused, late: 1, "log lost": 1 };

export interface Supervisor {
	/** Resolves when every service is ready; rejects, with all stopped, when one refuses to start. */
	readonly ready: Promise<void>;
	/** Resolves when all has stopped. */
	readonly stopped: Promise<StopReason>;
	stop(): void;
}

export function supervise(options: SupervisorOptions): Supervisor {
	const { groups, clock, log, say, logLines, stopMs, startMs } = options;
	const services = groups.map((group) =>
		group.map(
			(spec): Service => ({
				spec,
				exited: Promise.resolve(),
				pauseMs: restartMinMs,
				ready: Promise.withResolvers(),
				said: false,
			}),
		),
	);
	const stopping = new AbortController();
	const finished = Promise.withResolvers<StopReason>();
	let refused: string | undefined;
	// Each service's log is piped there.
	logLines.setMaxListeners(logLines.getMaxListeners() + services.flat().length);
	logLines.on("error", () => stop("log lost"));
	logLines.on("close", () => stop("log lost"));
	// What nobody takes any more is let go: it would hold the service up, and its end would never be seen.
	logLines.on("unpipe", (source) => source.resume());

	function start(service: Service): void {
		const { name } = service.spec;
		const exited = Promise.withResolvers<void>();
		const startedMs = clock.monotonic();
		const child = spawnService(service.spec, (error) => log.error({ err: error, of: name }, "cannot be started"));
		if (!child) {
			startAgain(service);
			return;
		}
		service.child = child;
		service.exited = exited.promise;
		child.stdin.on("error", () => {
			// The service ended while its input was open: its exit is handled below.
		});
		child.stderr.pipe(wholeLines()).pipe(logLines, { end: false });
		// At the first start the whole group is waited for, below.
		const cancelLate = service.said ? clock.after(startMs, () => killLate(service)) : () => {};
		createInterface({ input: child.stdout }).on("line", (line) => {
			if (!service.said) say(line);
			service.said = true;
			cancelLate();
			service.ready.resolve();
		});
		child.once("close", (code, signal) => {
			cancelLate();
			exited.resolve();
			if (stopping.signal.aborted) return;
			// Refused when it starts with the others; later it may be a passing want, and is tried again.
			if (code === exitRefused && !service.said) {
				refused = name;
				stop("refused");
				return;
			}
			if (clock.monotonic() - startedMs >= ranWellMs) service.pauseMs = restartMinMs;
			log.warn({ of: name, code, signal, againInMs: service.pauseMs }, "a service ended; it is started again");
			startAgain(service);
		});
	}

	function startAgain(service: Service): void {
		const { pauseMs } = service;
		service.pauseMs = Math.min(pauseMs * 2, restartMaxMs);
		clock.sleep(pauseMs, stopping.signal).then(
			() => start(service),
			() => {
				// Stopped while it paused: it stays ended.
			},
		);
	}

	function killLate({ spec, child }: Service): void {
		log.error({ of: spec.name, startMs }, "not ready in time; killed, to be started again");
		if (child) sendSignal(child, "SIGKILL");
	}

	async function end({ spec, child, exited }: Service): Promise<void> {
		if (child) sendSignal(child, "SIGTERM");
		const late = clock.after(stopMs + lastWordMs, () => {
			log.error({ of: spec.name, stopMs }, "does not stop in time; killed");
			if (child) sendSignal(child, "SIGKILL");
		});
		await exited;
		late();
	}

	async function endAll(reason: StopReason): Promise<void> {
		for (const group of services.toReversed()) await Promise.all(group.map(end));
		finished.resolve(reason);
	}

	function stop(reason: StopReason): void {
		if (stopping.signal.aborted) return;
		stopping.abort();
		void endAll(reason);
	}

	async function startAll(): Promise<void> {
		const stopped = new Promise<never>((_, reject) => {
			const reason = () => reject(new Error(refused ? `${refused} refused to start` : "stopped before all was ready"));
			stopping.signal.addEventListener("abort", reason, { once: true });
		});
		for (const group of services) {
			const cancel = clock.after(startMs, () => {
				log.error({ of: group.map((one) => one.spec.name), startMs }, "not ready in time");
				stop("late");
			});
			for (const service of group) start(service);
			await Promise.race([Promise.all(group.map(({ ready }) => ready.promise)), stopped]).finally(cancel);
		}
	}

	const ready = startAll();
	return { ready, stopped: finished.promise, stop: () => stop("told") };
}

/** `undefined` where the system has nothing left to make a process of, such as memory or descriptors. */
function spawnService(
	{ command, env }: ServiceSpec,
	onError: (error: unknown) => void,
): ChildProcessWithoutNullStreams | undefined {
	try {
		const child = spawn(command[0], command.slice(1), {
			env: { ...process.env, ...env },
			stdio: ["pipe", "pipe", "pipe"],
			// A signal to the supervisor's process group, such as a terminal's interrupt, is the supervisor's to pass on.
			detached: true,
		});
		child.once("error", onError);
		// Where there are no descriptors there are no pipes either, whatever the type says.
		return (child.stdin as Writable | undefined) && child;
	} catch (error) {
		onError(error);
		return undefined;
	}
}
