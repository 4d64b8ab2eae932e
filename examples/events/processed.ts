// Prints each processed payment: a consumer of the relay's events in ten lines.
import { Command } from "commander";
import { connectAmqp } from "../../src/amqp/connection.ts";
import { readAmqpSettings } from "../../src/amqp/settings.ts";
import { systemClock as clock } from "../../src/clock.ts";
import { eventQueue } from "../../src/events/broker.ts";
import { queryPayment } from "../../src/events/query.ts";
import { subscribe } from "../../src/events/subscriber.ts";
import { formatCents } from "../../src/payment/amount.ts";
import { formatInstant } from "../../src/payment/instant.ts";
import { amqpUrls } from "../../src/setting-values.ts";

interface Options {
	readonly amqpUrl: string;
	readonly api: string;
	readonly namespace: string;
	readonly queue: string;
}

const { amqpUrl, api, namespace, queue } = new Command("processed")
	.description("Prints each processed payment: its id, amount, processor, and the moment that the processor recorded.")
	.option("--amqp-url <url>", "amqp[s]://[user[:password]@]host[:port][/vhost]", amqpUrls(), "amqp://127.0.0.1:5672")
	.option("--api <url>", "the relay's HTTP API, to query payments back", "http://127.0.0.1:9999")
	.option("--namespace <name>", "the relay's AMQP_NAMESPACE", "payrelay")
	.option("--queue <name>", "this subscriber's own queue; processes of one name share its events", "example.processed")
	.parse()
	.opts<Options>();

const onFault = (cause: unknown) => process.stderr.write(`${cause}\n`);
const settings = await readAmqpSettings({ amqpUrl });
const connection = connectAmqp(settings, "processed payments", { clock, random: Math.random, onFault });
const types = ["payment.processed"] as const;
const subscription = await subscribe(eventQueue({ connection, namespace, queue, types }), {
	types,
	query: queryPayment(api),
	async handle(_event, { id, chargedCents = 0n, processor, requestedAtUs = 0 }) {
		process.stdout.write(`${id} ${formatCents(chargedCents)} ${processor} ${formatInstant(requestedAtUs)}\n`);
	},
	clock,
	onFault,
});

await new Promise((resolve) => process.on("SIGTERM", resolve).on("SIGINT", resolve));
await subscription.close();
await connection.close();
// On Deno a process that listens for signals does not end by itself.
process.exit();
