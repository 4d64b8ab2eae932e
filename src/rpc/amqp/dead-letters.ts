// Dead letters: looking at those of a queue, and giving them once more to the queue that they came from.
import type { GetMessage, Options } from "amqplib";
import type { AmqpConnection } from "../../amqp/connection.ts";

export interface DeadLetter {
	/** Why the broker put it there: `rejected`, `delivery_limit`, `expired` or `maxlen`. */
	readonly reason: string;
	/** Where it was before. */
	readonly queue: string;
	readonly type: string | undefined;
	readonly path: string | undefined;
	readonly caller: string | undefined;
	readonly messageId: string | undefined;
	readonly bytes: number;
	/** When its publisher says that it was written, s since the Unix epoch. */
	readonly timestamp: number | undefined;
}

export interface DeadLetterOptions {
	readonly connection: AmqpConnection;
	readonly queue: string;
	/** How many are taken from the head of the queue at most. */
	readonly max: number;
	/** True: each goes back to the queue that it came from, and leaves this one once that is confirmed. */
	readonly replay: boolean;
	readonly onLetter: (letter: DeadLetter) => void;
}

/** Resolves to how many letters were seen. Those that are only looked at stay, in their order. */
export async function visitDeadLetters(options: DeadLetterOptions): Promise<number> {
	const { connection, queue, max, replay, onLetter } = options;
	const kept = connection.channel({ prefetch: 1 });
	await kept.ready();
	const { channel } = kept.session!;
	// What was there at the beginning: a letter that comes back at once is not seen again.
	const { messageCount } = await channel.checkQueue(queue);
	const seen: GetMessage[] = [];
	for (let count = 0; count < Math.min(max, messageCount); count++) {
		const message = await channel.get(queue);
		if (message === false) break;
		seen.push(message);
		const letter = describe(message);
		onLetter(letter);
		if (!replay) continue;
		await kept.publish({
			exchange: "",
			routingKey: letter.queue,
			body: message.content,
			messageId: message.properties.messageId ?? `replay ${count}`,
			properties: asItWas(message),
		});
		channel.ack(message);
	}
	// Closing gives back what was not acknowledged, to the place where it was.
	await kept.close();
	return seen.length;
}

function describe({ properties, content }: GetMessage): DeadLetter {
	const headers = properties.headers ?? {};
	const text = (value: unknown) => (typeof value === "string" ? value : undefined);
	return {
		reason: text(headers["x-first-death-reason"]) ?? "unknown",
		queue: text(headers["x-first-death-queue"]) ?? "",
		type: text(properties.type),
		path: text(headers.path),
		caller: text(properties.appId),
		messageId: text(properties.messageId),
		bytes: content.byteLength,
		timestamp: typeof properties.timestamp === "number" ? properties.timestamp : undefined,
	};
}

const brokersOwn = /^x-(?:death|first-death|last-death|delivery-count)/;

/** Without the broker's marks of its death, and without an expiry: whoever replays it wants it carried out. */
function asItWas({ properties }: GetMessage): Omit<Options.Publish, "mandatory" | "messageId"> {
	const { headers = {}, contentType, correlationId, replyTo, appId, type, timestamp } = properties;
	const { deadline: _, ...kept } = Object.fromEntries(
		Object.entries(headers).filter(([name]) => !brokersOwn.test(name)),
	);
	return {
		headers: kept,
		persistent: true,
		...(contentType !== undefined && { contentType }),
		...(correlationId !== undefined && { correlationId }),
		...(replyTo !== undefined && { replyTo }),
		...(appId !== undefined && { appId }),
		...(type !== undefined && { type }),
		...(timestamp !== undefined && { timestamp }),
	};
}
