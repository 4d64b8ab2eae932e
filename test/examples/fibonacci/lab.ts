// What the tests of the tutorial share: connections that are closed after each test, queues of their own, a caller and a server.
import amqp from "amqplib";
import { onTestFinished } from "vitest";
import { connectBroker } from "../../../examples/fibonacci/broker.ts";
import { createFibonacciClient, type FibonacciClientOptions } from "../../../examples/fibonacci/client.ts";
import { rpcQueue } from "../../../examples/fibonacci/rpc-queue.ts";
import { type FibonacciServerOptions, serveFibonacci } from "../../../examples/fibonacci/server.ts";
import { systemClock } from "../../../src/clock.ts";
import { sharedBrokerUrl } from "../../amqp/broker.ts";

export function ownQueue(): string {
	const name = `fibonacci.${crypto.randomUUID()}`;
	onTestFinished(() => deleteQueue(name));
	return name;
}

/** The tutorial's queue has one name: what a test declared must not stay for the next. */
export async function freshRpcQueue(): Promise<string> {
	await deleteQueue(rpcQueue);
	onTestFinished(() => deleteQueue(rpcQueue));
	return rpcQueue;
}

export async function startServer(options: Partial<FibonacciServerOptions> = {}) {
	const connection = await connectBroker(sharedBrokerUrl(), "test server");
	const server = serveFibonacci({ connection, onFault() {}, ...options });
	onTestFinished(async () => {
		await server.close();
		await connection.close();
	});
	await server.ready();
	return server;
}

export async function startClient(options: Partial<FibonacciClientOptions> = {}) {
	const connection = await connectBroker(sharedBrokerUrl(), "test client");
	const client = createFibonacciClient({ connection, clock: systemClock, ...options });
	onTestFinished(async () => {
		await client.close();
		await connection.close();
	});
	return client;
}

/** A channel of the library alone, for what no well-behaved program does. */
export async function rawChannel() {
	const connection = await amqp.connect(sharedBrokerUrl(), { noDelay: true });
	onTestFinished(() => connection.close());
	return connection.createConfirmChannel();
}

async function deleteQueue(name: string): Promise<void> {
	const connection = await amqp.connect(sharedBrokerUrl());
	const channel = await connection.createChannel();
	await channel.deleteQueue(name);
	await connection.close();
}
