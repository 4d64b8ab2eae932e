// The client side of the carrier that the settings name.
import type { Transport } from "@connectrpc/connect";
import type { AmqpConnection } from "../amqp/connection.ts";
import type { AmqpOptions } from "../amqp/settings.ts";
import type { Clock } from "../clock.ts";
import { connectHttp2 } from "./http2-client.ts";

export interface CarrierSettings extends AmqpOptions {
	readonly carrier: "http2" | "amqp";
	/** Over HTTP/2: where the cache is, `host:port` or `unix:PATH`. */
	readonly cache: string;
	/** Over AMQP: what the names of its queues begin with. */
	readonly amqpNamespace: string;
}

export interface CarriedClient {
	readonly transport: Transport;
	/** For people. */
	readonly address: string;
	/** What the carrier has seen, by name; totals since the start. */
	counters(): Readonly<Record<string, number>>;
	close(): Promise<void>;
}

export interface CarrierPorts {
	readonly clock: Clock;
	/** Told what went wrong with a broker; it is tried again. */
	readonly onFault: (error: Error, what: string) => void;
}

/** `name`: of this process, for the broker's list of connections. */
export async function connectCarrier(
	settings: CarrierSettings,
	name: string,
	ports: CarrierPorts,
): Promise<CarriedClient> {
	if (settings.carrier === "http2") {
		const client = connectHttp2(settings.cache);
		return {
			transport: client.transport,
			address: settings.cache,
			counters: () => ({}),
			async close() {
				client.close();
			},
		};
	}
	const { connectAmqpRpc } = await import("./amqp/client.ts");
	const { connection, address } = await connectBroker(settings, name, ports);
	const client = connectAmqpRpc({ connection, namespace: settings.amqpNamespace, clock: ports.clock });
	return {
		transport: client.transport,
		address,
		counters: () => brokerCounters(connection, client.counters),
		async close() {
			await client.close();
			await connection.close();
		},
	};
}

/**
 * Resolves after the first attempt to connect, which goes on where the broker is not there; rejects with a Refusal where it
 * is there and refuses us. `address` is the broker's, without what is secret.
 */
export async function connectBroker(
	options: AmqpOptions,
	name: string,
	{ clock, onFault }: CarrierPorts,
): Promise<{ readonly connection: AmqpConnection; readonly address: string }> {
	const { connectAmqp } = await import("../amqp/connection.ts");
	const { readAmqpSettings } = await import("../amqp/settings.ts");
	const settings = await readAmqpSettings(options);
	const tried = Promise.withResolvers<void>();
	const connection = connectAmqp(settings, `payrelay ${name}`, {
		clock,
		random: Math.random,
		onFault(error, what) {
			onFault(error, what);
			tried.resolve();
		},
	});
	try {
		await Promise.race([connection.ready(), tried.promise]);
	} catch (refusal) {
		await connection.close();
		throw refusal;
	}
	return {
		connection,
		address: settings.hosts.map(({ protocol, hostname, port }) => `${protocol}://${hostname}:${port}`).join(","),
	};
}

/** Of the connection and of the calls over it, under one roof, by the names that metrics have. */
export function brokerCounters(connection: AmqpConnection, calls: object): Readonly<Record<string, number>> {
	const named = (prefix: string, counts: object) =>
		Object.entries(counts).map(([name, count]) => [
			prefix + name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
			count,
		]);
	return Object.fromEntries([...named("connection_", connection.counters), ...named("", calls)]);
}
