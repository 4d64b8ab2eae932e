// What differs between the runtimes, Node and Deno.
import type { ChildProcess } from "node:child_process";
import * as nodeModule from "node:module";
import { setFlagsFromString } from "node:v8";

export const onDeno = "Deno" in globalThis;

/** Bounds on a process's heap, MB: what lives long, and each half of where objects begin. */
export interface HeapBounds {
	readonly oldMb: number;
	readonly semiMb: number;
}

export function heapFlags({ oldMb, semiMb }: HeapBounds): string[] {
	return ["--expose-gc", `--max-old-space-size=${oldMb}`, `--max-semi-space-size=${semiMb}`];
}

/**
 * Collects what a start, a warm-up or much work left behind, where the runtime was started with `--expose-gc`: V8 would do
 * so later, beside payments, and stop a service on a part of a CPU for several periods of its scheduler. Compiled code
 * whose objects have died goes as well.
 */
export function collectGarbage(): void {
	globalThis.gc?.();
}

/**
 * From now on the heap may double after a full collection before the next one is due, as far as its bound allows. V8 itself
 * lets it grow by as little as a tenth where collections seem cheap; on a part of a CPU none is.
 */
export function collectSeldom(): void {
	setFlagsFromString("--heap-growing-percent=100");
}

/**
 * The command that runs a module of this program in the runtime that runs this one, with the same runtime options unless
 * others are given as `inherited`. `flags` are V8's.
 */
export function selfCommand(
	module: string,
	words: readonly string[] = [],
	flags: readonly string[] = [],
	inherited: readonly string[] = process.execArgv,
): [string, ...string[]] {
	const options = onDeno
		? ["run", "-A", ...(flags.length > 0 ? [`--v8-flags=${flags.join()}`] : [])]
		: [...inherited, ...flags];
	return [process.execPath, ...options, module, ...words];
}

/**
 * Sends a signal to a child that has not ended. Deno's `child.kill` does so once only: what did not heed the first signal
 * could not be killed by a second.
 */
export function sendSignal(child: ChildProcess, signal: NodeJS.Signals): void {
	if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
	try {
		process.kill(child.pid, signal);
	} catch (error) {
		// It has ended, and nobody was told yet.
		if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
	}
}

/** Uses the code that an earlier start compiled, so that a service that was killed is back sooner. Deno does so itself. */
export function useCompiledCode(): void {
	if (!onDeno) nodeModule.enableCompileCache();
}

/** Keeps what was compiled so far for the next start; a process that is killed could not do it at its end. */
export function keepCompiledCode(): void {
	if (!onDeno) nodeModule.flushCompileCache();
}

/** Whether connections can be had before `node:http` has them: Deno's reads its own, below it. */
export const servesConnections = !onDeno;
