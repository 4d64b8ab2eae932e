// The command that calls the server: prints the number that each argument asks for.
import { Command } from "commander";
import { PublishError } from "../../src/amqp/message.ts";
import { systemClock } from "../../src/clock.ts";
import { amqpUrls, integer } from "../../src/setting-values.ts";
import { connectBroker, defaultAmqpUrl } from "./broker.ts";
import { CallError, createFibonacciClient } from "./client.ts";
import { rpcQueue } from "./rpc-queue.ts";

interface Options {
	readonly amqpUrl: string;
	readonly queue: string;
	readonly timeoutMs: number;
}

const program = new Command("call")
	.description("Asks for Fibonacci numbers, as the client of RabbitMQ's tutorial 6 does.")
	.argument("<n...>", "which numbers")
	.option("--amqp-url <url>", "amqp://[user[:password]@]host[:port][/vhost]", amqpUrls(), defaultAmqpUrl)
	.option("--queue <name>", "the queue of requests", rpcQueue)
	.option("--timeout-ms <ms>", "how long each may take", integer(1, 600_000), 10_000)
	.parse();
const { amqpUrl, queue, timeoutMs } = program.opts<Options>();

const connection = await connectBroker(amqpUrl, "fibonacci client");
const client = createFibonacciClient({ connection, clock: systemClock, queue, timeoutMs });
for (const n of program.args) {
	process.stdout.write(` [x] Requesting fib(${n})\n`);
	try {
		process.stdout.write(` [.] Got ${await client.call(n)}\n`);
	} catch (error) {
		if (!(error instanceof CallError) && !(error instanceof PublishError)) throw error;
		process.stdout.write(` [!] ${error.message}\n`);
		process.exitCode = 1;
	}
}
await client.close();
await connection.close();
