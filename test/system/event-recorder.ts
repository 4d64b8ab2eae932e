// A subscriber of a test's own: writes down every event as it comes, copies included, and queries nothing.
import type { AmqpConnection } from "../../src/amqp/connection.ts";
import { eventQueue } from "../../src/events/broker.ts";
import { parseCloudEvent } from "../../src/events/cloud-event.ts";
import { fromCloudEvent, type ReceivedEvent } from "../../src/events/payment-event.ts";

export interface EventRecorder {
	/** In the order in which they came; of copies the first one. */
	readonly events: ReadonlyMap<string, ReceivedEvent>;
	/** Copies of events that had come before. */
	readonly copies: number;
	/** What is wrong with the events of these payments, all of which were charged: I6. Empty while nothing is. */
	findings(charged: Iterable<string>): string[];
}

const toldMax = 5;

export async function recordEvents(
	connection: AmqpConnection,
	namespace: string,
	queue: string,
): Promise<EventRecorder> {
	const events = new Map<string, ReceivedEvent>();
	let copies = 0;
	const intake = eventQueue({ connection, namespace, queue });
	await intake(({ body, contentType, ack }) => {
		const event = fromCloudEvent(parseCloudEvent(body, contentType));
		if (event === undefined) throw new Error("an event of a type that nobody publishes");
		if (events.has(event.key)) copies++;
		else events.set(event.key, event);
		ack();
	});

	function findings(charged: Iterable<string>): string[] {
		const told = new Map<string, string[]>();
		for (const { paymentId, type } of events.values()) told.set(paymentId, [...(told.get(paymentId) ?? []), type]);
		const wrong: string[] = [];
		for (const id of charged) {
			const types = told.get(id)?.filter((type) => type !== "payment.parked") ?? [];
			told.delete(id);
			if (types.join() !== "payment.accepted,payment.processed") wrong.push(`${id} was charged: [${types}]`);
		}
		for (const [id, types] of told) wrong.push(`${id} was not charged: [${types}]`);
		return wrong.length > toldMax ? [`${wrong.length} payments, of which`, ...wrong.slice(0, toldMax)] : wrong;
	}

	return {
		events,
		get copies() {
			return copies;
		},
		findings,
	};
}
