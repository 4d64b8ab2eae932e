// One service of the examples as a process of its own: its database, its connection to the broker, and its end.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type AmqpConnection, connectAmqp } from "../../src/amqp/connection.ts";
import { readAmqpSettings } from "../../src/amqp/settings.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { Logger } from "../../src/log.ts";
import { runServiceProcess, supervisedVariable } from "../../src/service-process.ts";
import { type Database, openDatabase } from "./database.ts";
import type { Options } from "./options.ts";

/** What a service is given to run with. */
export interface Place {
	readonly options: Options;
	readonly connection: AmqpConnection;
	readonly clock: Clock;
	readonly random: () => number;
	readonly log: Logger;
	readonly onFault: (error: unknown, what: string) => void;
	open(schema: string): Database;
	/** Called at the end, the last one first. */
	atEnd(close: () => Promise<void> | void): void;
}

const stopMs = 10_000;
const heartbeatS = 10;
const frameMaxBytes = 131_072;

/** Runs it until it is told to stop; `start` resolves to where it is to be reached. */
export function runService(name: string, options: Options, start: (place: Place) => Promise<string>): Promise<void> {
	return runServiceProcess({
		name,
		supervised: process.env[supervisedVariable] === "1",
		stopMs,
		logLevel: options.logLevel,
		logFormat: "text",
		async start(log) {
			const onFault = (error: unknown, what: string) => log.warn({ err: error }, what);
			const ports = { clock: systemClock, random: Math.random, onFault };
			const closes: (() => Promise<void> | void)[] = [];
			const atEnd = (close: () => Promise<void> | void) => void closes.push(close);
			const settings = await readAmqpSettings({
				amqpUrl: options.amqpUrl,
				amqpPasswordFile: "",
				amqpCaFile: "",
				amqpCertFile: "",
				amqpKeyFile: "",
				amqpHeartbeatS: heartbeatS,
				amqpFrameMaxBytes: frameMaxBytes,
			});
			const connection = connectAmqp(settings, `${options.namespace} ${name}`, ports);
			atEnd(() => connection.close());
			const address = await start({
				...ports,
				options,
				connection,
				log,
				atEnd,
				open(schema) {
					const database = openDatabase(join(options.data, `${name}.db`), schema);
					atEnd(database.close);
					return database;
				},
			});
			return {
				address,
				async close() {
					for (const close of closes.toReversed()) await close();
					await writeFile(join(options.data, `${name}.figures.json`), JSON.stringify(connection.counters));
				},
			};
		},
	});
}
