// The command that compares the ways to make one call, and prints the table.
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { amqpUrls, integer } from "../../src/setting-values.ts";
import { compare } from "./comparison.ts";
import { comparisonTable } from "./table.ts";
import { wayNames, ways } from "./ways.ts";

interface Options {
	readonly amqpUrl?: string;
	readonly brokerPid?: string;
	readonly calls: number;
	readonly rounds: number;
}

/** Of /proc/PID/stat; the same on all that Linux runs on today. */
const tickUs = 10_000;

const countMax = 999_999_999;
const { amqpUrl, brokerPid, calls, rounds } = new Command("compare")
	.description("Has a token verified by another service, every way, and prints what each way costs.")
	.option("--amqp-url <url>", "amqp://[user[:password]@]host[:port][/vhost]; without it AMQP is left out", amqpUrls())
	.option("--broker-pid <pid>", "the broker's process, for its CPU; Linux")
	.option("--calls <count>", "calls one after another; five times as many 64 at a time", integer(1, countMax), 2_000)
	.option("--rounds <count>", "turns of each way, whose medians are shown", integer(1, countMax), 3)
	.parse()
	.opts<Options>();

if (amqpUrl === undefined) process.stderr.write("AMQP is left out: no --amqp-url\n");
const rows = await compare({
	ways: wayNames.filter((name) => amqpUrl !== undefined || !ways[name].overBroker),
	...(amqpUrl !== undefined && { amqpUrl }),
	...(brokerPid !== undefined && { brokerCpuUs: () => cpuUs(brokerPid) }),
	serialCalls: calls,
	concurrentCalls: 5 * calls,
	rounds,
	onProgress: (what) => process.stderr.write(`${what}\n`),
});
process.stdout.write(comparisonTable(rows));

function cpuUs(pid: string): number {
	const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
	// "pid (name) state …", where the name may hold anything; user and system time are the 14th and 15th field.
	const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
	return (Number(fields[11]) + Number(fields[12])) * tickUs;
}
