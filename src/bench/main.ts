// The bench's process: its arguments, its signals and its exit status.
import { bench } from "./cli.ts";

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
	process.once(signal, () => interrupted.abort(new Error(`stopped by ${signal}`)));
// Whoever read what it says has gone, as `head` does: nobody waits for more.
process.stdout.on("error", (error) => interrupted.abort(error));

process.exitCode = await bench(process.argv.slice(2), process.stdout, interrupted.signal);
