// Removes the file of a unix socket that a killed process left behind; one that is still served is left alone.
import { lstat, rm } from "node:fs/promises";
import { connect } from "node:net";
import { Refusal } from "../refusal.ts";

/** Afterwards `listen(path)` works, or fails because somebody else listens there. Throws a Refusal where no socket is. */
export async function removeStaleSocket(path: string): Promise<void> {
	const there = await lstat(path).catch((error: NodeJS.ErrnoException) => {
		if (error.code === "ENOENT") return undefined;
		throw error;
	});
	if (there === undefined) return;
	if (!there.isSocket())
		throw new Refusal(`${path} is no socket, and is not replaced by one: see the settings (--help)`);
	const code = await new Promise<string | undefined>((resolve) => {
		const socket = connect(path);
		socket.once("connect", () => {
			socket.destroy();
			resolve(undefined);
		});
		socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
	});
	if (code === "ECONNREFUSED") await rm(path, { force: true });
}
