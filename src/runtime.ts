// What differs between the runtimes, Node and Deno: how a process starts another of its own kind.

/** The command that runs a module of this program in the runtime that runs this one, with the same runtime options. */
export function selfCommand(module: string, ...args: string[]): [string, ...string[]] {
	const options = "Deno" in globalThis ? ["run", "-A"] : process.execArgv;
	return [process.execPath, ...options, module, ...args];
}
