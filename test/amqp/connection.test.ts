// A connection to what is no broker, or not one that is spoken to as it is set.
import { once } from "node:events";
import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { connectAmqp } from "../../src/amqp/connection.ts";
import { systemClock } from "../../src/clock.ts";
import { amqpSettings } from "./settings.ts";

test("where TLS is spoken to a port that does not, it is said in words, and tried again", async () => {
	const server = createServer((socket) => {
		socket.on("error", () => {});
		// What RabbitMQ says to whoever does not begin as it expects.
		socket.once("data", () => socket.end("AMQP\0\0\x09\x01"));
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	onTestFinished(async () => {
		await once(server.close(), "close");
	});
	const { port } = server.address() as { readonly port: number };
	const told: string[] = [];
	const twice = Promise.withResolvers<void>();
	const connection = connectAmqp(amqpSettings(`amqps://127.0.0.1:${port}`), "test", {
		clock: systemClock,
		random: () => 0,
		onFault: (error, what) => {
			if (told.push(`${what}: ${error.message}`) === 2) twice.resolve();
		},
	});
	await twice.promise;
	await connection.close();
	const words = `port ${port} of 127.0.0.1 does not speak TLS: see the port and the amqps in AMQP_URL`;
	expect(told).toEqual(Array(2).fill(`no connection to the broker at 127.0.0.1:${port}: ${words}`));
});
