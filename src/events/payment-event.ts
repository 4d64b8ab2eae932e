// What happened to a payment, as a CloudEvent that holds nothing but its id: whoever wants more queries it back.
import { type EventType, eventTypes, type PaymentEvent } from "../payment/event.ts";
import { formatInstant } from "../payment/instant.ts";
import { parsePaymentId } from "../payment/payment.ts";
import { type CloudEvent, InvalidEvent } from "./cloud-event.ts";

/** An event as it arrived at a subscriber, perhaps not for the first time. */
export interface ReceivedEvent {
	/** Of source and id: the same for every copy of an event, and for no other event. */
	readonly key: string;
	readonly type: EventType;
	readonly paymentId: string;
	/** RFC 3339. */
	readonly time?: string;
}

/** A type that changes its meaning gets a new version, and is then another type. */
const typeName = (type: EventType): string => `payrelay.${type}.v1`;
const typesByName = new Map(eventTypes.map((type) => [typeName(type), type]));

/** `storeId` is unique to a database, as event numbers are only within one. */
export const eventSource = (storeId: string): string => `/payrelay/${storeId}`;

/**
 * The same for each publication of the same event. The time is part of the id, because a database that was restored
 * from a copy gives out once more the numbers that it gave out after the copy was made.
 */
export function toCloudEvent({ seq, type, paymentId, timeUs }: PaymentEvent, source: string): CloudEvent {
	return {
		specversion: "1.0",
		id: `${seq}-${timeUs}`,
		source,
		type: typeName(type),
		subject: paymentId,
		time: formatInstant(timeUs),
	};
}

/** Undefined for an event of another type, a later version among them. Throws InvalidEvent where ours is malformed. */
export function fromCloudEvent(event: CloudEvent): ReceivedEvent | undefined {
	const type = typesByName.get(event.type);
	if (!type) return undefined;
	const paymentId = parsePaymentId(event.subject ?? "");
	if (paymentId === undefined) throw new InvalidEvent("subject is not a payment's UUID");
	if (event.data !== undefined) throw new InvalidEvent("there is data, and an event of a payment has none");
	const { source, id, time } = event;
	return {
		// A URI has no space.
		key: `${source} ${id}`,
		type,
		paymentId,
		...(time !== undefined && { time }),
	};
}
