// Dead letters: looking at those of a queue, and giving them once more to the queue that they came from.
import type { ConfirmChannel, GetMessage, Options } from "amqplib";
import type { AmqpConnection } from "../../amqp/connection.ts";
import { headersAreWhole } from "../../amqp/header-frame.ts";
import { PublishError, type PublishFailure } from "../../amqp/message.ts";
import { closedFor } from "../../amqp/reply-code.ts";
import { Refusal } from "../../refusal.ts";

export interface DeadLetter {
	/** Why the broker put it there: `rejected`, `delivery_limit`, `expired` or `maxlen`. */
	readonly reason: string;
	/** Where it was before; `undefined` for one that was published here, and has never died. */
	readonly queue: string | undefined;
	readonly type: string | undefined;
	readonly path: string | undefined;
	readonly caller: string | undefined;
	readonly messageId: string | undefined;
	readonly bytes: number;
	/** When its publisher says that it was written, s since the Unix epoch. */
	readonly timestamp: number | undefined;
	/** Some of its headers cannot be decoded: what it says of itself may not be all. */
	readonly headers?: "unreadable";
}

export interface DeadLetterOptions {
	readonly connection: AmqpConnection;
	readonly queue: string;
	/** How many are taken from the head of the queue at most. */
	readonly max: number;
	/** True: each goes back to the queue that it came from, and leaves this one once that is confirmed. */
	readonly replay: boolean;
	readonly onLetter: (letter: DeadLetter) => void;
	/** Told of each that was to be given back and could not be: it stays. */
	readonly onKept: (letter: DeadLetter, why: string) => void;
}

export interface DeadLetterVisit {
	readonly seen: number;
	readonly givenBack: number;
}

/** Failures of a letter by itself: those behind it may do better. */
const ownFailures: readonly PublishFailure[] = ["unroutable", "refused", "unwritable"];

/**
 * Those that are only looked at, or cannot be given back, stay. Where `max` ends the visit before the queue does, they go behind
 * those that were not looked at: a quorum queue puts back what was handed out at its end.
 */
export async function visitDeadLetters(options: DeadLetterOptions): Promise<DeadLetterVisit> {
	const { connection, queue, max, replay, onLetter, onKept } = options;
	const kept = connection.channel({ prefetch: 1 });
	await kept.ready();
	const { channel } = kept.session!;
	// What was there at the beginning: a letter that comes back at once is not seen again.
	const messageCount = await lengthOf(channel, queue);
	let seen = 0;
	let givenBack = 0;

	/** Resolves to why it could not be. */
	async function giveBack(message: GetMessage, to: string | undefined): Promise<string | undefined> {
		if (!headersAreWhole(message.properties)) return "some of its headers cannot be decoded, and would be lost";
		if (to === undefined) return "nothing on it says which queue it came from";
		try {
			await kept.publish({
				exchange: "",
				routingKey: to,
				body: message.content,
				messageId: message.properties.messageId ?? `replay ${seen}`,
				properties: asItWas(message),
			});
		} catch (error) {
			if (error instanceof PublishError && ownFailures.includes(error.failure)) return error.message;
			throw error;
		}
		if (kept.session?.channel !== channel)
			throw new Error("the channel was lost: this letter was given back, and is still here");
		channel.ack(message);
		givenBack++;
		return undefined;
	}

	while (seen < Math.min(max, messageCount)) {
		const message = await channel.get(queue);
		if (message === false) break;
		seen++;
		const letter = describe(message);
		onLetter(letter);
		if (!replay) continue;
		const why = await giveBack(message, letter.queue);
		if (why !== undefined) onKept(letter, why);
	}
	// Closing has the broker put back what was not acknowledged.
	await kept.close();
	return { seen, givenBack };
}

async function lengthOf(channel: ConfirmChannel, queue: string): Promise<number> {
	try {
		return (await channel.checkQueue(queue)).messageCount;
	} catch (error) {
		if (!closedFor(error, "notFound")) throw error;
		throw new Refusal(`the broker has no queue ${queue}: see --queue, AMQP_NAMESPACE and AMQP_URL`);
	}
}

function describe({ properties, content }: GetMessage): DeadLetter {
	const headers = properties.headers ?? {};
	const text = (value: unknown) => (typeof value === "string" ? value : undefined);
	return {
		reason: text(headers["x-first-death-reason"]) ?? "unknown",
		queue: text(headers["x-first-death-queue"]) || undefined,
		type: text(properties.type),
		path: text(headers.path),
		caller: text(properties.appId),
		messageId: text(properties.messageId),
		bytes: content.byteLength,
		timestamp: typeof properties.timestamp === "number" ? properties.timestamp : undefined,
		...(!headersAreWhole(properties) && { headers: "unreadable" }),
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
