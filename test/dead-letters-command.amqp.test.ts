// The command for dead letters, as it is called.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { connect } from "amqplib";
import { expect, onTestFinished, test } from "vitest";
import { brokerInstalled, sharedBrokerUrl } from "./amqp/broker.ts";
import { mainModule, runtimeCommand } from "./system/relay.ts";

test.skipIf(!brokerInstalled)("it fails where what it shows cannot be written", async () => {
	const connection = await connect(sharedBrokerUrl());
	onTestFinished(() => connection.close());
	const channel = await connection.createConfirmChannel();
	const { queue } = await channel.assertQueue(`test.${crypto.randomUUID()}`, { autoDelete: true, expires: 60_000 });
	channel.sendToQueue(queue, Buffer.from("a letter"));
	await channel.waitForConfirms();
	const full = openSync("/dev/full", "w");
	onTestFinished(() => closeSync(full));
	const [program, ...words] = [...runtimeCommand, mainModule, "dead-letters", "--queue", queue];
	const env = { ...process.env, AMQP_URL: sharedBrokerUrl() };
	const child = spawn(program, words, { env, stdio: ["ignore", full, "ignore"] });
	const [code] = await once(child, "exit");
	expect(code).toBeGreaterThan(0);
});
