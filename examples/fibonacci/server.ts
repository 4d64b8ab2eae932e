// The tutorial's server: takes a number from the request queue, one at a time, and answers to the queue that the request names.
import { randomUUID } from "node:crypto";
import type { AmqpConnection } from "../../src/amqp/connection.ts";
import { type Delivery, PublishError } from "../../src/amqp/message.ts";
import { BadRequest, fibonacci, readNumber } from "./fibonacci.ts";
import { rememberAnswers } from "./remembered.ts";
import { declareRpcQueue, type QueueKind, rpcQueue } from "./rpc-queue.ts";

export interface FibonacciServerOptions {
	readonly connection: Pick<AmqpConnection, "channel">;
	readonly queue?: string;
	/** The shape in which the queue is declared, where it is not there yet. */
	readonly kind?: QueueKind;
	/** Requests that this server may hold; it works on one of them at a time. 0: as many as there are. */
	readonly prefetch?: number;
	readonly answersMax?: number;
	/** The effect of a request. */
	readonly work?: (n: number) => Promise<bigint>;
	/** Told what went wrong with the broker and cannot be told to a caller. */
	readonly onFault: (error: Error, what: string) => void;
}

export interface FibonacciServer {
	readonly counters: Readonly<ServerCounters>;
	/** Resolves when requests are taken. */
	ready(): Promise<void>;
	/** Takes no more, and ends when what it held is answered. */
	close(): Promise<void>;
}

export interface ServerCounters {
	/** Numbers that were worked out. */
	worked: number;
	/** Requests that had been here before, and got the same answer again. */
	recurred: number;
	/** Requests that were answered with an error. */
	refused: number;
	/** Requests that name no queue to answer to, or one that is none of a caller's. */
	unanswerable: number;
	/** Answers that were confirmed. */
	answered: number;
	/** Answers whose queue was gone, or took nothing. */
	undelivered: number;
}

/** Anyone may write anything into `reply_to`: only the names that the broker gives to callers' queues are answered. */
const callbackQueue = /^amq\.gen-[\w-]{1,64}$/;
const answersMaxDefault = 4096;
const encoder = new TextEncoder();

export function serveFibonacci(options: FibonacciServerOptions): FibonacciServer {
	const { connection, queue = rpcQueue, kind = "quorum", prefetch = 1, onFault } = options;
	const { work = async (n) => fibonacci(n), answersMax = answersMaxDefault } = options;
	const counters: ServerCounters = { worked: 0, recurred: 0, refused: 0, unanswerable: 0, answered: 0, undelivered: 0 };
	const remembered = rememberAnswers<{ asked: string; answer: string }>(answersMax);
	const declare = declareRpcQueue(queue, kind);
	const held = new Set<Promise<void>>();
	let turn: Promise<unknown> = Promise.resolve();
	let stopTaking = async () => {};
	let closing = false;

	const channel = connection.channel({
		prefetch,
		async setup(session) {
			await declare(session);
			const onGone = () => session.reopen(new Error(`the queue ${queue} was deleted`));
			const tag = await session.consume(queue, hold, onGone);
			stopTaking = async () => void (await session.channel.cancel(tag));
		},
		onLost(cause) {
			if (!closing) onFault(cause, "the channel was lost; its requests are delivered again");
		},
	});

	function hold(delivery: Delivery): void {
		const handled = handle(delivery)
			.catch((error: Error) => onFault(error, "a request was not answered"))
			.finally(() => held.delete(handled));
		held.add(handled);
	}

	async function handle(delivery: Delivery): Promise<void> {
		const { replyTo, correlationId } = delivery.message.properties;
		if (typeof replyTo !== "string" || !callbackQueue.test(replyTo)) {
			counters.unanswerable++;
			delivery.ack();
			return;
		}
		const answer = await answerTo(delivery);
		try {
			await channel.publish({
				exchange: "",
				routingKey: replyTo,
				body: encoder.encode(answer.text),
				messageId: randomUUID(),
				properties: {
					contentType: "text/plain",
					...(answer.refused && { type: "error" }),
					...(correlationId !== undefined && { correlationId }),
				},
			});
			counters.answered++;
		} catch (error) {
			if (!(error instanceof PublishError)) throw error;
			counters.undelivered++;
			// Nobody knows whether the caller has its answer, and the request comes again: to the next channel, or server.
			if (error.failure === "lost" || error.failure === "crowded") {
				delivery.reject(true);
				return;
			}
		}
		// Only now: had the server died before, another one would answer.
		delivery.ack();
	}

	async function answerTo({ message }: Delivery): Promise<{ text: string; refused?: true }> {
		try {
			const n = readNumber(message.content);
			const { answer, recurred } = remembered.once(keyOf(message.properties), () => inTurn(n));
			if (recurred) counters.recurred++;
			const { asked, answer: text } = await answer;
			if (asked !== String(n)) throw new BadRequest(`this request's id was used before, to ask for ${asked}`);
			return { text };
		} catch (error) {
			counters.refused++;
			if (!(error instanceof BadRequest)) onFault(error as Error, "a number could not be worked out");
			return { text: `error: ${error instanceof BadRequest ? error.message : "the server failed"}`, refused: true };
		}
	}

	function inTurn(n: number): Promise<{ asked: string; answer: string }> {
		const result = turn.then(async () => {
			counters.worked++;
			return { asked: String(n), answer: String(await work(n)) };
		});
		turn = result.catch(() => {
			// Whoever asked for it is told.
		});
		return result;
	}

	async function close(): Promise<void> {
		closing = true;
		if (channel.session !== undefined) await stopTaking();
		await Promise.all(held);
		await channel.close();
	}

	return { counters, ready: () => channel.ready(), close };
}

/** The caller and its own name for the request; the tutorial's callers give none but the correlation id. */
function keyOf(properties: Delivery["message"]["properties"]): string {
	const { appId, replyTo, messageId, correlationId } = properties;
	// A request without any id cannot be known again.
	return JSON.stringify([appId ?? replyTo, messageId ?? correlationId ?? randomUUID()]);
}
