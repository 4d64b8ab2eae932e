// The cache's side of the broker: its services over AMQP, and the events of its store, each where it is asked for.
import type { AmqpOptions } from "../amqp/settings.ts";
import { within } from "../amqp/within.ts";
import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";
import type { ServeOptions } from "../rpc/carrier.ts";
import { brokerCounters, connectBroker } from "../rpc/connect-carrier.ts";
import type { BrokerView } from "./broker-view.ts";
import type { Store } from "./store/store.ts";

export interface BrokerSettings extends AmqpOptions {
	readonly carrier: "http2" | "amqp";
	readonly events: "off" | "amqp";
	/** What the names of all queues and exchanges begin with. */
	readonly amqpNamespace: string;
	/** Requests of each service that are worked on at a time. */
	readonly amqpConcurrency: number;
	/** How long calls may take to end when the process stops, ms. */
	readonly closeMs: number;
}

export interface Broker {
	/** False where neither calls nor events go over one. */
	readonly open: boolean;
	readonly addresses: readonly string[];
	figures(): Promise<BrokerView>;
	/**
	 * Takes no more requests, so that they wait for the next cache, answers those that it has, and ends the events: for a part of
	 * the time for closing, which a broker that is away or takes no messages uses up.
	 */
	drain(): Promise<void>;
	/** `graceMs`: how long streams may take to end, together with the draining before. */
	close(graceMs: number): Promise<void>;
}

export interface BrokerPorts extends Pick<ServeOptions, "routes" | "interceptors"> {
	readonly clock: Clock;
	readonly store: Store;
	/** Told when another cache has taken the namespace over while the broker was away: this one takes no requests any more. */
	readonly fail: (cause: unknown) => void;
}

/** Unary requests that wait together are begun together, and so share a commit. */
const batches = { "/payrelay.v1.QueueService/Enqueue": { sizeMax: 256, waitMs: 1 } };

/** Of the time for closing, the part that draining may take. */
const drainPart = 0.5;

/** A broker closes a connection that has gone without a word within so many of its heartbeats. */
const heartbeatsToNotice = 3;
/** How long such a one of another cache is waited for at most, ms. */
const ownWaitMaxMs = 30_000;

const none: Broker = {
	open: false,
	addresses: [],
	figures: async () => ({ queues: {}, counters: {} }),
	async drain() {},
	async close() {},
};

export async function openBroker(settings: BrokerSettings, log: Logger, ports: BrokerPorts): Promise<Broker> {
	const { carrier, events, amqpNamespace: namespace, amqpConcurrency: concurrency, closeMs } = settings;
	if (carrier !== "amqp" && events !== "amqp") return none;
	const { clock, store, fail } = ports;
	const onFault = (error: unknown, what: string) => log.warn({ reason: String(error) }, what);
	const { connection, address } = await connectBroker(settings, "cache", { clock, onFault });
	// Events wait in the store for a broker that is not there; calls cannot come without it.
	if (carrier === "amqp") await connection.ready();
	const server = carrier === "amqp" ? await serve() : undefined;
	const announcing = events === "amqp" ? await announce() : undefined;

	async function serve() {
		const { serveAmqp } = await import("../rpc/amqp/server.ts");
		const { createOwner } = await import("../rpc/amqp/owner.ts");
		const waitMs = Math.min(heartbeatsToNotice * settings.amqpHeartbeatS * 1000, ownWaitMaxMs);
		const owner = createOwner(namespace, clock, waitMs);
		try {
			const options = { ...ports, onFault, connection, namespace, concurrency, batches, own: owner.own };
			const serving = await Promise.race([serveAmqp(options), owner.refused]);
			owner.refused.catch(fail);
			return serving;
		} catch (refusal) {
			await connection.close();
			throw refusal;
		}
	}

	async function announce() {
		const { openEventExchange } = await import("../events/broker.ts");
		const { createPublisher } = await import("../events/publisher.ts");
		const exchange = openEventExchange(connection, namespace);
		const publisher = createPublisher({
			outbox: store,
			publish: exchange.publish,
			clock,
			onRefused: (cause, failures) =>
				log.warn({ reason: String(cause), failures }, "events are not published for now; they wait"),
			onFailed: (cause) => log.error({ err: cause }, "the outbox has failed; no more events are published"),
		});
		return {
			figures: publisher.figures,
			async close() {
				await publisher.close();
				await exchange.close();
			},
		};
	}

	let drainedMs = 0;
	return {
		open: true,
		addresses: [`${address} (${[server && "calls", announcing && "events"].filter(Boolean).join(", ")})`],
		async figures() {
			const [queues, told] = await Promise.all([server?.queueDepths(), announcing?.figures()]);
			const eventCounters = told ? { events_published: told.published, events_retried: told.retried } : {};
			return {
				queues: queues ?? {},
				counters: { ...brokerCounters(connection, server?.counters ?? {}), ...eventCounters },
			};
		},
		async drain() {
			const graceMs = closeMs * drainPart;
			const startMs = clock.monotonic();
			const drained = async () => {
				await Promise.all([server?.drain(graceMs), announcing?.close()]);
			};
			await within(graceMs, clock, drained());
			drainedMs = clock.monotonic() - startMs;
		},
		async close(graceMs) {
			await server?.close(Math.max(0, graceMs - drainedMs));
			await connection.close();
		},
	};
}
