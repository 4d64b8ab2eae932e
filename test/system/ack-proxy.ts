// Stands between a relay and its broker, and can hold a connection right before its next acknowledgement.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface AckProxy {
	readonly port: number;
	/**
	 * From now on the first `basic.ack` of a client, and all that it says afterwards, does not reach the broker. Resolves when
	 * there was one; `pass` lets new connections speak freely again.
	 */
	hold(): Promise<void>;
	pass(): void;
	close(): Promise<void>;
}

/** AMQP 0-9-1, 2.3.5: type, channel, size of the payload, payload, end. A connection begins with a header of 8 bytes. */
const protocolHeaderBytes = 8;
const frameHeaderBytes = 7;
const frameEndBytes = 1;
const methodFrame = 1;
/** Class 60, method 80. */
const basicAck = (60 << 16) | 80;

export async function startAckProxy(brokerPort: number): Promise<AckProxy> {
	let holding = false;
	let held = () => {};
	const sockets = new Set<Socket>();

	function join(client: Socket): void {
		const broker = connect(brokerPort, "127.0.0.1");
		let rest: Buffer = Buffer.alloc(0);
		let begun = false;
		let stopped = false;
		for (const [socket, other] of [
			[client, broker],
			[broker, client],
		] as const) {
			sockets.add(socket);
			socket.setNoDelay(true);
			// What ends one side ends the other; why does not matter here.
			socket.on("error", () => other.destroy());
			socket.on("close", () => {
				sockets.delete(socket);
				other.destroy();
			});
		}
		broker.on("data", (chunk) => client.write(chunk));
		client.on("data", (chunk: Buffer) => {
			if (stopped) return;
			rest = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
			let end = begun || rest.byteLength < protocolHeaderBytes ? 0 : protocolHeaderBytes;
			begun ||= end > 0;
			while (begun && rest.byteLength >= end + frameHeaderBytes) {
				const frameBytes = frameHeaderBytes + rest.readUInt32BE(end + 3) + frameEndBytes;
				if (rest.byteLength < end + frameBytes) break;
				if (holding && rest[end] === methodFrame && rest.readUInt32BE(end + frameHeaderBytes) === basicAck) {
					stopped = true;
					break;
				}
				end += frameBytes;
			}
			if (end > 0) broker.write(rest.subarray(0, end));
			rest = rest.subarray(end);
			if (stopped) held();
		});
	}

	const server = createServer(join).listen(0, "127.0.0.1");
	await once(server, "listening");
	return {
		port: (server.address() as { port: number }).port,
		hold() {
			holding = true;
			return new Promise((resolve) => {
				held = resolve;
			});
		},
		pass() {
			holding = false;
		},
		async close() {
			for (const socket of sockets) socket.destroy();
			await once(server.close(), "close");
		},
	};
}
