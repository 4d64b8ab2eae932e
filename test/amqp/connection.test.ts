// A connection to what is no broker, or not one that is spoken to as it is set.
import { once } from "node:events";
import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { connectAmqp } from "../../src/amqp/connection.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
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

test("where nothing listens it is tried again with growing pauses, up to a bound", async () => {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as { readonly port: number };
	await once(server.close(), "close");
	const pauses: number[] = [];
	const enough = Promise.withResolvers<void>();
	const clock: Clock = {
		...systemClock,
		after(ms, task) {
			if (pauses.push(ms) === 8) enough.resolve();
			return systemClock.after(0, task);
		},
	};
	const connection = connectAmqp(amqpSettings(`amqp://127.0.0.1:${port}`), "test", {
		clock,
		random: () => 0,
		onFault() {},
	});
	await enough.promise;
	await connection.close();
	expect(pauses.slice(0, 8)).toEqual([50, 100, 200, 400, 800, 1_000, 1_000, 1_000]);
});
