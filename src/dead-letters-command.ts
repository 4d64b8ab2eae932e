// The command for dead letters: shows those of a queue at the broker, or gives them back to where they came from.
import type { Command } from "commander";
import type { AmqpConnection } from "./amqp/connection.ts";
import { systemClock } from "./clock.ts";
import { readSettings, type Settings } from "./config.ts";
import { createLog } from "./log.ts";
import { Refusal } from "./refusal.ts";
import { integer } from "./setting-values.ts";
import { exitRefused } from "./supervisor.ts";

interface DeadLetterCommand {
	readonly queue?: string;
	readonly max: number;
	readonly replay: boolean;
}

/** How long the broker may take to be there, ms. */
const brokerMs = 10_000;

export function addDeadLetters(program: Command): void {
	const command = program
		.command("dead-letters")
		.description("shows what waits among a queue's dead letters at the broker, or gives it back to where it came from")
		.option("--queue <name>", "the queue of dead letters (default: that of the requests)")
		.option("--max <messages>", "how many, from the oldest on", integer(1, 1_000_000), 100)
		.option("--replay", "give each back to the queue that it came from", false)
		.addHelpText(
			"after",
			"\nThe broker is that of the AMQP_* settings, as for the services: payrelay --help lists them.",
		)
		.action(async (options: DeadLetterCommand) => {
			try {
				await deadLetters(readSettings(program), options);
			} catch (error) {
				process.stderr.write(`error: ${(error as Error).message}\n`);
				// An attempt to connect may still be under way.
				process.exit(error instanceof Refusal ? exitRefused : 1);
			}
		});
	command.showHelpAfterError("(--help lists every option)");
}

async function deadLetters(settings: Settings, { queue, max, replay }: DeadLetterCommand): Promise<void> {
	const { visitDeadLetters } = await import("./rpc/amqp/dead-letters.ts");
	const { deadLetterQueue } = await import("./rpc/amqp/names.ts");
	const log = await createLog("dead letters", settings.logLevel, settings.logFormat);
	const lost = Promise.withResolvers<never>();
	const connection = await connectInTime(settings, (error) => lost.reject(error));
	const from = queue ?? deadLetterQueue(settings.amqpNamespace);
	const visit = visitDeadLetters({
		connection,
		queue: from,
		max,
		replay,
		onLetter: (letter) => process.stdout.write(`${JSON.stringify(letter)}\n`),
		onKept: ({ messageId }, why) => log.warn({ messageId, why }, "not given back; it is still there"),
	});
	const { seen, givenBack } = await Promise.race([visit, lost.promise]);
	await connection.close();
	if (replay) log.info({ queue: from, messages: givenBack, kept: seen - givenBack }, "given back");
	else log.info({ queue: from, messages: seen }, "seen; they are still there");
}

/** `onLost`: what was under way on it may never end. */
async function connectInTime(settings: Settings, onLost: (error: Error) => void): Promise<AmqpConnection> {
	const { connectBroker } = await import("./rpc/connect-carrier.ts");
	let last = "it does not answer";
	let there = false;
	const connecting = async () => {
		const { connection } = await connectBroker(settings, "dead letters", {
			clock: systemClock,
			onFault(error, what) {
				last = `${what}: ${error.message || (error as NodeJS.ErrnoException).code}`;
				if (there) onLost(new Error(last));
			},
		});
		await connection.ready();
		there = true;
		return connection;
	};
	const late = Promise.withResolvers<never>();
	const cancel = systemClock.after(brokerMs, () =>
		late.reject(new Error(`no broker within ${brokerMs / 1000} s: ${last}`)),
	);
	try {
		return await Promise.race([connecting(), late.promise]);
	} finally {
		cancel();
	}
}
