// The command that runs the server: answers requests from the broker until it is told to stop.
import { once } from "node:events";
import { Command, Option } from "commander";
import { systemClock } from "../../src/clock.ts";
import { amqpUrls, integer } from "../../src/setting-values.ts";
import { connectBroker, defaultAmqpUrl, report } from "./broker.ts";
import { fibonacci } from "./fibonacci.ts";
import { type QueueKind, rpcQueue } from "./rpc-queue.ts";
import { serveFibonacci } from "./server.ts";

interface Options {
	readonly amqpUrl: string;
	readonly queue: string;
	readonly kind: QueueKind;
	readonly prefetch: number;
	readonly workMs: number;
	readonly quiet?: true;
}

const options = new Command("serve")
	.description("Answers Fibonacci numbers, as the server of RabbitMQ's tutorial 6 does. Several share the queue.")
	.option("--amqp-url <url>", "amqp://[user[:password]@]host[:port][/vhost]", amqpUrls(), defaultAmqpUrl)
	.option("--queue <name>", "the queue of requests", rpcQueue)
	.addOption(
		new Option("--kind <kind>", "how that queue is declared where it is not there yet")
			.choices(["transient", "quorum"])
			.default("quorum"),
	)
	.option("--prefetch <count>", "requests held at a time; 0: all that there are", integer(0, 65_535), 1)
	.option("--work-ms <ms>", "how long each is made to take", integer(0, 600_000), 0)
	.option("--quiet", "print no line for each request")
	.parse()
	.opts<Options>();

const connection = await connectBroker(options.amqpUrl, "fibonacci server");
const server = serveFibonacci({
	connection,
	queue: options.queue,
	kind: options.kind,
	prefetch: options.prefetch,
	async work(n) {
		if (options.quiet === undefined) process.stdout.write(` [.] fib(${n})\n`);
		if (options.workMs > 0) await systemClock.sleep(options.workMs);
		return fibonacci(n);
	},
	onFault: report,
});
await server.ready();
process.stdout.write(" [x] Awaiting RPC requests\n");

await Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
await server.close();
await connection.close();
process.stdout.write(` [x] ${JSON.stringify(server.counters)}\n`);
