// Removes the file of a unix socket that a killed process left behind; one that is still served is left alone.
import { rm } from "node:fs/promises";
import { connect } from "node:net";

/** Afterwards `listen(path)` works, or fails because somebody else listens there. */
export async function removeStaleSocket(path: string): Promise<void> {
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
