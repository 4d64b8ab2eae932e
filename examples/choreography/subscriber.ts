// A service's side of the choreography: it takes events from its own queue, asks the inventory, and decides for itself.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import type { Delivery } from "../../src/amqp/message.ts";
import { InventoryService } from "../gen/warehouse/v1/inventory_service_pb.ts";
import type { Stock } from "../warehouse/inventory.ts";
import { connectRpc } from "../warehouse/rpc.ts";
import type { Place } from "../warehouse/service.ts";
import { decodeEvent, InvalidEvent, type SkuProcessed } from "./event.ts";
import { declareQueue } from "./topology.ts";

export interface Subscriber {
	readonly service: string;
	/** True where the event was handled before; that saves the query. */
	readonly knows: (eventId: string) => boolean;
	/** When it returns, what follows from the event is on disk; for one that it knows that is nothing. */
	readonly decide: (event: SkuProcessed, stock: Stock) => void;
}

/** Events that are handled at a time. */
const prefetch = 16;
const queryTimeoutMs = 2_000;
/** The inventory may be away for as long as these queries and pauses take: almost two minutes, at each of four deliveries. */
const queriesMax = 30;
const queryPauseMinMs = 50;
const queryPauseMaxMs = 2_000;
/** An event that could not be handled is handed out again after this and twice as long each time, ms. */
const rejectPauseMs = 100;

/** Resolves when its queue is bound. */
export async function subscribe(place: Place, { service, knows, decide }: Subscriber): Promise<void> {
	const { connection, options, clock, log, onFault, atEnd } = place;
	const inventory = createClient(InventoryService, connectRpc(place).transport);
	const closing = new AbortController();
	const running = new Set<Promise<void>>();

	async function query(sku: string): Promise<Stock> {
		for (let tries = 1; ; tries++) {
			try {
				return await inventory.getSku({ sku }, { timeoutMs: queryTimeoutMs, signal: closing.signal });
			} catch (error) {
				if (!passes(error) || tries >= queriesMax) throw error;
			}
			await clock.sleep(Math.min(queryPauseMinMs * 2 ** (tries - 1), queryPauseMaxMs), closing.signal);
		}
	}

	async function handle(delivery: Delivery): Promise<void> {
		const { properties, content } = delivery.message;
		try {
			const event = decodeEvent(properties.messageId, content);
			if (knows(event.id)) log.info({ event }, "known already");
			else decide(event, await query(event.sku));
			delivery.ack();
		} catch (error) {
			if (!closing.signal.aborted) await refuse(delivery, error);
		}
	}

	/** Handed out again until the queue's limit makes it a dead letter; one that nobody can read is one at once. */
	async function refuse(delivery: Delivery, error: unknown): Promise<void> {
		onFault(error, "an event was not handled");
		const again = !(error instanceof InvalidEvent);
		const deliveries = Number(delivery.message.properties.headers?.["x-delivery-count"] ?? 0);
		if (again)
			await clock.sleep(rejectPauseMs * 2 ** deliveries, closing.signal).catch(() => {
				// Closed while it paused.
			});
		delivery.reject(again);
	}

	const channel = connection.channel({
		prefetch,
		async setup(session) {
			const queue = await declareQueue(session.channel, options.namespace, service);
			const receive = (delivery: Delivery) => {
				const work = handle(delivery).finally(() => running.delete(work));
				running.add(work);
			};
			await session.consume(queue, receive, () => session.reopen(new Error(`the queue ${queue} was deleted`)));
		},
	});
	atEnd(async () => {
		closing.abort();
		await Promise.all(running);
		await channel.close();
	});
	await channel.ready();
}

/** Whether the inventory was out of reach, which says nothing about the event. */
function passes(error: unknown): boolean {
	return error instanceof ConnectError && [Code.Unavailable, Code.DeadlineExceeded].includes(error.code);
}
