// A receiver in a process of its own, for the tests: it serves the carrier's service and behaves as its first argument says.
import { connectAmqp } from "../../../src/amqp/connection.ts";
import { systemClock } from "../../../src/clock.ts";
import { serveAmqp } from "../../../src/rpc/amqp/server.ts";
import { amqpSettings } from "../../amqp/settings.ts";
import { CarrierService } from "../gen/carrier/v1/carrier_pb.ts";
import type { ReceiverOptions } from "./receiver-process.ts";

const { url, namespace, behaviour, handlerMs } = JSON.parse(process.argv[2]!) as ReceiverOptions;
const clock = systemClock;
const onFault = (error: unknown, what: string) => process.stderr.write(`${what}: ${error}\n`);
const die = () => process.kill(process.pid, "SIGKILL");
const { channel, ...connection } = connectAmqp(amqpSettings(url), "receiver", { clock, random: Math.random, onFault });

const server = await serveAmqp({
	connection: {
		...connection,
		connected: true,
		channel: (options) =>
			channel({
				...options,
				setup: async (session) =>
					options.setup?.({
						...session,
						consume: (queue, onDelivery, onGone, options) =>
							session.consume(
								queue,
								(delivery) =>
									onDelivery(behaviour === "die before the ack" ? { ...delivery, ack: () => die() } : delivery),
								onGone,
								options,
							),
					}),
			}),
	},
	namespace,
	clock,
	onFault,
	routes(router) {
		router.service(CarrierService, {
			async unary({ text }) {
				if (behaviour === "die at work") die();
				await clock.sleep(handlerMs);
				return { text: `${text} by ${process.pid}` };
			},
			async *count({ to }) {
				for (let number = 1; number <= to; number++) {
					await clock.sleep(handlerMs);
					yield { number };
				}
			},
		});
	},
});
process.once("SIGTERM", async () => {
	await server.close(10_000);
	await connection.close();
	process.stdout.write(`${JSON.stringify(server.counters)}\n`);
});
process.stdout.write("serving\n");
