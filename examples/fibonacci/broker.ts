// A connection to the broker for a command of this folder, from its URL.
import { type AmqpConnection, connectAmqp } from "../../src/amqp/connection.ts";
import { readAmqpSettings } from "../../src/amqp/settings.ts";
import { systemClock } from "../../src/clock.ts";

export const defaultAmqpUrl = "amqp://127.0.0.1:5672";

export async function connectBroker(amqpUrl: string, name: string): Promise<AmqpConnection> {
	const settings = await readAmqpSettings({ amqpUrl });
	return connectAmqp(settings, name, { clock: systemClock, random: Math.random, onFault: report });
}

/** To the error output, so that the other one is what was asked for. */
export function report(error: Error, what: string): void {
	process.stderr.write(` [!] ${what}: ${error.message}\n`);
}
