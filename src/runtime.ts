// What differs between the runtimes, Node and Deno.
import * as nodeModule from "node:module";

/** The command that runs a module of this program in the runtime that runs this one, with the same runtime options. */
export function selfCommand(module: string, ...args: string[]): [string, ...string[]] {
	const options = "Deno" in globalThis ? ["run", "-A"] : process.execArgv;
	return [process.execPath, ...options, module, ...args];
}

/** Keeps compiled code between starts, so that a service that was killed is back sooner. Deno does so by itself. */
export function keepCompiledCode(): void {
	if (!("Deno" in globalThis)) nodeModule.enableCompileCache();
}
