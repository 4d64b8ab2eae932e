// What this process has used so far: bytes at all its TCP sockets, both ways, and CPU.
import diagnostics from "node:diagnostics_channel";
import type { Socket } from "node:net";

export interface Reading {
	readonly sentBytes: number;
	readonly receivedBytes: number;
	readonly cpuUs: number;
}

/** Sockets that were opened before are not counted: call it first. */
export function startMeter(): () => Reading {
	const open = new Set<Socket>();
	let sentBytes = 0;
	let receivedBytes = 0;
	const watch = (message: unknown) => {
		const { socket } = message as { socket: Socket };
		open.add(socket);
		socket.once("close", () => {
			open.delete(socket);
			sentBytes += socket.bytesWritten;
			receivedBytes += socket.bytesRead;
		});
	};
	diagnostics.subscribe("net.client.socket", watch);
	diagnostics.subscribe("net.server.socket", watch);
	return () => {
		const sum = (key: "bytesWritten" | "bytesRead") => [...open].reduce((total, socket) => total + socket[key], 0);
		const { user, system } = process.cpuUsage();
		return {
			sentBytes: sentBytes + sum("bytesWritten"),
			receivedBytes: receivedBytes + sum("bytesRead"),
			cpuUs: user + system,
		};
	};
}
