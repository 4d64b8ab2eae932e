// Looks at a server's connections before it does: those that it is not given it never hears of.
import type { Server, Socket } from "node:net";

/** Hands a connection to the server after all, with what was read of it; it is paused then. */
export type HandOver = (socket: Socket, read: string | Buffer) => void;

/** From now on `take` gets the connections; its own listeners are to be taken off before one is handed over. */
export function takeAheadOf(server: Server, take: (socket: Socket) => void): HandOver {
	const byServer = server.listeners("connection") as ((this: Server, socket: Socket) => void)[];
	server.removeAllListeners("connection");
	server.on("connection", take);
	return (socket, read) => {
		socket.pause();
		if (read.length > 0) socket.unshift(typeof read === "string" ? Buffer.from(read, "latin1") : read);
		for (const listener of byServer) listener.call(server, socket);
	};
}
