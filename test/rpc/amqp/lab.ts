// For tests of the AMQP carrier: servers and clients over a real broker, what went wrong with them, and messages written by hand.
import { createClient } from "@connectrpc/connect";
import { type ChannelModel, type ConfirmChannel, connect as connectRaw } from "amqplib";
import { type AmqpChannel, channelBounds } from "../../../src/amqp/channel.ts";
import { type AmqpConnection, connectAmqp } from "../../../src/amqp/connection.ts";
import type { AmqpSettings } from "../../../src/amqp/settings.ts";
import { systemClock } from "../../../src/clock.ts";
import { type AmqpRpcClient, type AmqpRpcClientOptions, connectAmqpRpc } from "../../../src/rpc/amqp/client.ts";
import { isMailbox, requestQueue } from "../../../src/rpc/amqp/names.ts";
import { type AmqpRpcServer, type AmqpServeOptions, serveAmqp } from "../../../src/rpc/amqp/server.ts";
import { sharedBrokerUrl } from "../../amqp/broker.ts";
import { amqpSettings } from "../../amqp/settings.ts";
import { CarrierService } from "../gen/carrier/v1/carrier_pb.ts";

export const carrierName: string = CarrierService.typeName;

/** One process's side: a connection, and the channels that were opened on it. */
export interface Side {
	readonly connection: AmqpConnection;
	readonly channels: readonly AmqpChannel[];
	/** The queues that it has consumed from, in that order; its mailbox is one of them. */
	readonly queues: readonly string[];
	/** Lets the broker close one of its channels, and nothing else. */
	closeChannel(index: number): Promise<void>;
}

export interface ServerSide extends Side {
	readonly server: AmqpRpcServer;
}

export interface ClientSide extends Side {
	readonly rpc: AmqpRpcClient;
	readonly client: ReturnType<typeof createClient<typeof CarrierService>>;
}

export interface AmqpLab {
	readonly namespace: string;
	/** Where requests for the carrier's service wait. */
	readonly queue: string;
	/** What was told of the broker and of calls; a test that breaks nothing has none. */
	readonly faults: string[];
	serve(options: Pick<AmqpServeOptions, "routes"> & Partial<AmqpServeOptions>): Promise<ServerSide>;
	client(options?: Partial<AmqpRpcClientOptions>): ClientSide;
	/** A channel without any of the carrier's rules. */
	raw(): Promise<ConfirmChannel>;
	close(): Promise<void>;
}

export function createAmqpLab(settings: AmqpSettings = amqpSettings(sharedBrokerUrl())): AmqpLab {
	const namespace = `test-${crypto.randomUUID()}`;
	const clock = systemClock;
	const faults: string[] = [];
	const closing: (() => Promise<unknown>)[] = [];
	const raws: ChannelModel[] = [];

	function connect(name: string): Side {
		const connection = connectAmqp(settings, name, {
			clock,
			random: Math.random,
			onFault: (error, what) => faults.push(`${name}: ${what}: ${error.message}`),
		});
		const channels: AmqpChannel[] = [];
		const queues: string[] = [];
		return {
			channels,
			queues,
			connection: {
				...connection,
				counters: connection.counters,
				get connected() {
					return connection.connected;
				},
				channel(options) {
					const { setup } = options;
					const channel = connection.channel({
						...options,
						...(setup && {
							setup: (session) =>
								setup({
									...session,
									consume(queue, ...rest) {
										queues.push(queue);
										return session.consume(queue, ...rest);
									},
								}),
						}),
					});
					channels.push(channel);
					return channel;
				},
			},
			async closeChannel(index) {
				await channels[index]!.session!.channel.checkQueue("no-such-queue").catch(() => {});
			},
		};
	}

	return {
		namespace,
		queue: requestQueue(namespace, carrierName),
		faults,
		async serve(options) {
			const side = connect("server");
			closing.push(() => side.connection.close());
			const onFault = (error: unknown, what: string) => faults.push(`server: ${what}: ${error}`);
			const server = await serveAmqp({ connection: side.connection, namespace, clock, onFault, ...options });
			closing.push(() => server.close(1000));
			return { ...side, server };
		},
		client(options = {}) {
			const side = connect("client");
			const rpc = connectAmqpRpc({ connection: side.connection, namespace, clock, ...options });
			closing.push(() => side.connection.close());
			closing.push(() => rpc.close());
			return { ...side, rpc, client: createClient(CarrierService, rpc.transport) };
		},
		async raw() {
			const { hostname, port, username, password, vhost } = settings.hosts[0]!;
			const model = await connectRaw(
				{ hostname, port, username, password, vhost: encodeURIComponent(vhost) },
				{ noDelay: true },
			);
			raws.push(model);
			model.on("error", (error) => faults.push(`by hand: ${error.message}`));
			return model.createConfirmChannel();
		},
		async close() {
			// Clients first, and each before its connection.
			for (const close of closing.splice(0).reverse()) await close();
			await Promise.all(raws.splice(0).map((model) => model.close().catch(() => {})));
		},
	};
}

export function mailboxOf({ queues }: Side, namespace: string): string {
	return queues.findLast((queue) => isMailbox(namespace, queue))!;
}

/** Resolves once it holds; what is waited for is an event at the broker, of which nobody is told. */
export async function eventually(holds: () => boolean | Promise<boolean>, withinMs = 15_000): Promise<void> {
	const untilMs = performance.now() + withinMs;
	while (!(await holds())) {
		if (performance.now() > untilMs) throw new Error(`it does not hold after ${withinMs} ms: ${holds}`);
		await systemClock.sleep(20);
	}
}

export const closeMsMax: number = channelBounds.closeMs * 3;
