// The bench's process: its arguments, its signals and its exit status.
import { bench } from "./cli.ts";

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
	process.once(signal, () => interrupted.abort(new Error(`stopped by ${signal}`)));

process.exitCode = await bench(process.argv.slice(2), process.stdout, interrupted.signal);
