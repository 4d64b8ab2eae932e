// The tutorial's client: sends a number to the request queue, and finds the reply by its correlation id.
import { randomUUID } from "node:crypto";
import type { ChannelSession } from "../../src/amqp/channel.ts";
import type { AmqpConnection } from "../../src/amqp/connection.ts";
import type { Delivery } from "../../src/amqp/message.ts";
import type { Clock } from "../../src/clock.ts";
import { rpcQueue } from "./rpc-queue.ts";

/** One queue for all replies to a client, or one that is declared and deleted with each call. */
export type CallbackQueues = "one per client" | "one per request";

export interface FibonacciClientOptions {
	readonly connection: Pick<AmqpConnection, "channel">;
	readonly clock: Clock;
	readonly queue?: string;
	readonly callbackQueues?: CallbackQueues;
	/** How long an answer may take; the broker drops a request that nobody has taken by then. */
	readonly timeoutMs?: number;
}

export interface CallOptions {
	/** The same id for a request that is asked again has it carried out once. */
	readonly requestId?: string;
	/** Who asks, where that is to outlive this client's queue. */
	readonly callerId?: string;
}

export interface FibonacciClient {
	/** Rejects with a CallError, or with the PublishError of a request that did not reach the queue. */
	call(n: number | string, options?: CallOptions): Promise<bigint>;
	readonly counters: Readonly<ClientCounters>;
	close(): Promise<void>;
}

export interface ClientCounters {
	replies: number;
	/** Replies that were discarded: without an id, */
	missing: number;
	/** with one that this client never gave, or gave too long ago to remember, */
	unknown: number;
	/** to a request that has been answered, */
	duplicate: number;
	/** to one that had been given up. */
	late: number;
}

/** `refused`: the server's answer is an error. `late`: there was none in time. `lost`: the queue for the reply went. */
export class CallError extends Error {
	override readonly name = "CallError";
	readonly reason: "refused" | "late" | "lost";

	constructor(reason: CallError["reason"], message: string, options?: ErrorOptions) {
		super(message, options);
		this.reason = reason;
	}
}

interface Pending {
	readonly answer: (reply: Delivery["message"]) => void;
	readonly fail: (error: CallError) => void;
}

const timeoutMsDefault = 10_000;
/** Replies that may be on their way to this client. */
const repliesMax = 256;
/** Ended calls whose replies are still told apart from those that were never asked for. */
const endedMax = 1024;

export function createFibonacciClient(options: FibonacciClientOptions): FibonacciClient {
	const { connection, clock, queue = rpcQueue, timeoutMs = timeoutMsDefault } = options;
	const shared = (options.callbackQueues ?? "one per client") === "one per client";
	const counters: ClientCounters = { replies: 0, missing: 0, unknown: 0, duplicate: 0, late: 0 };
	const pending = new Map<string, Pending>();
	const ended = new Map<string, "duplicate" | "late">();
	let sharedQueue = "";

	const channel = connection.channel({
		prefetch: repliesMax,
		async setup(session) {
			if (shared) sharedQueue = (await openCallbackQueue(session)).queue;
		},
		onLost(cause) {
			for (const { fail } of pending.values()) fail(new CallError("lost", "the reply's queue was lost", { cause }));
		},
	});

	async function openCallbackQueue(session: ChannelSession): Promise<{ queue: string; tag: string }> {
		// Named by the broker, for this connection alone, and gone with its consumer.
		const { queue } = await session.channel.assertQueue("", { exclusive: true, autoDelete: true });
		const tag = await session.consume(queue, take, () => session.reopen(new Error("the reply's queue was deleted")));
		return { queue, tag };
	}

	function take(delivery: Delivery): void {
		const id: unknown = delivery.message.properties.correlationId;
		const call = typeof id === "string" ? pending.get(id) : undefined;
		if (call !== undefined) {
			counters.replies++;
			call.answer(delivery.message);
		} else if (typeof id !== "string") counters.missing++;
		else counters[ended.get(id) ?? "unknown"]++;
		delivery.ack();
	}

	function end(id: string, how: "duplicate" | "late"): void {
		pending.delete(id);
		ended.set(id, how);
		const [oldest] = ended.keys();
		if (ended.size > endedMax) ended.delete(oldest!);
	}

	async function call(n: number | string, { requestId = randomUUID(), callerId }: CallOptions = {}): Promise<bigint> {
		const id = randomUUID();
		const given = new AbortController();
		const reply = new Promise<Delivery["message"]>((resolve, reject) => {
			const fail = (error: CallError) => {
				end(id, "late");
				given.abort(error);
				reject(error);
			};
			const answer = (message: Delivery["message"]) => {
				end(id, "duplicate");
				resolve(message);
			};
			// Before it is sent: the reply may be here before the confirm.
			pending.set(id, { answer, fail });
		});
		reply.catch(() => {
			// Told below; the wait for the channel or the confirm may be over first.
		});
		const cancelTimer = clock.after(timeoutMs, () =>
			pending.get(id)?.fail(new CallError("late", `no answer within ${timeoutMs} ms`)),
		);
		let own: { session: ChannelSession; tag: string } | undefined;
		try {
			await channel.ready(given.signal);
			let replyTo = sharedQueue;
			if (!shared) {
				const session = channel.session!;
				const { queue, tag } = await openCallbackQueue(session);
				own = { session, tag };
				replyTo = queue;
			}
			await Promise.race([
				reply,
				channel.publish(
					{
						exchange: "",
						routingKey: queue,
						body: new TextEncoder().encode(String(n)),
						messageId: requestId,
						properties: {
							replyTo,
							correlationId: id,
							contentType: "text/plain",
							expiration: timeoutMs,
							...(callerId !== undefined && { appId: callerId }),
						},
					},
					given.signal,
				),
			]);
			return read(await reply);
		} catch (error) {
			// Whatever failed for that, this is why.
			throw given.signal.aborted ? given.signal.reason : error;
		} finally {
			cancelTimer();
			if (pending.has(id)) end(id, "late");
			// Its queue goes with it; where the channel has gone, both have.
			if (own !== undefined && channel.session === own.session) await own.session.channel.cancel(own.tag);
		}
	}

	return { call, counters, close: () => channel.close() };
}

/** Other servers of the tutorial say nothing where they fail: an empty text is an error too. */
function read({ content, properties }: Delivery["message"]): bigint {
	const text = content.toString().trim();
	if (properties.type === "error" || !/^-?\d+$/.test(text))
		throw new CallError("refused", text.replace(/^error: /, "") || "the server answered nothing");
	return BigInt(text);
}
