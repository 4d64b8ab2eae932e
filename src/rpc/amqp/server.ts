// The AMQP carrier's receiver: takes requests from its services' queues and serves them with the same handlers as every carrier.
//
// A unary request is acknowledged once its answer is confirmed; a stream once its caller has been told who serves it. A
// request that is not acknowledged comes again, here or at another receiver; one that came back too often is a dead letter.
import { Code, ConnectError } from "@connectrpc/connect";
import { headerTimeout } from "@connectrpc/connect/protocol-connect";
import type { ConfirmChannel } from "amqplib";
import type { AmqpConnection } from "../../amqp/connection.ts";
import type { Delivery } from "../../amqp/message.ts";
import { within } from "../../amqp/within.ts";
import { createHandlers, type RpcServer, type ServeOptions } from "../carrier.ts";
import { type AmqpRpcBounds, amqpRpcBounds } from "./bounds.ts";
import { type AmqpRpcCounters, createAmqpRpcCounters } from "./counters.ts";
import { type ReceivedFrame, type Request, readRequest, UnreadableMessage } from "./frame.ts";
import { openMailbox } from "./mailbox.ts";
import { deadLetterQueue, isMailbox, requestQueue } from "./names.ts";
import { type BatchRule, createPipeline } from "./pipeline.ts";
import { openQueueDepths } from "./queue-depths.ts";
import { createResponder } from "./responder.ts";
import { serveStream } from "./serve-stream.ts";
import { createServeUnary, type Job } from "./serve-unary.ts";
import { declareDeadLetters, declareRequests } from "./topology.ts";

export interface AmqpServeOptions extends Omit<ServeOptions, "addresses"> {
	/** Not closed with the server. */
	readonly connection: AmqpConnection;
	readonly namespace: string;
	/** Requests of each service that are worked on at a time: the prefetch of its queue. */
	readonly concurrency?: number;
	/** Methods whose requests are gathered, by their paths. */
	readonly batches?: Readonly<Record<string, BatchRule>>;
	readonly bounds?: Partial<AmqpRpcBounds>;
	/** Asked on each new channel: requests are taken there once it resolves. What it throws ends the channel, and it is tried again. */
	readonly own?: (channel: ConfirmChannel) => Promise<void>;
}

export interface AmqpRpcServer extends RpcServer {
	/**
	 * Takes no more requests, and answers those that it has; streams go on. What is not answered after `graceMs`, as while the
	 * broker is away, was not acknowledged either, and comes again.
	 */
	drain(graceMs: number): Promise<void>;
	readonly counters: Readonly<AmqpRpcCounters>;
	/** Requests that wait in each service's queue, and the dead letters; asked of the broker. Without those it cannot tell of. */
	queueDepths(): Promise<Readonly<Record<string, number>>>;
}

const defaultConcurrency = 256;

export async function serveAmqp(options: AmqpServeOptions): Promise<AmqpRpcServer> {
	const { connection, namespace, clock, onFault, concurrency = defaultConcurrency, batches = {}, own } = options;
	const bounds = { ...amqpRpcBounds, ...options.bounds };
	const counters = createAmqpRpcCounters();
	const handlers = new Map(createHandlers(options).map((handler) => [handler.requestPath, handler]));
	const services = [...new Set([...handlers.values()].map(({ service }) => service.typeName))];
	/** What runs, by its caller's mailbox and its name there: told when the caller ends it. */
	const running = new Map<string, (frame: ReceivedFrame | undefined) => void>();
	let consumers: string[] = [];
	let streams = 0;
	let closing = false;
	/** Aborted where there is no more time: what still runs is to end. */
	const cut = new AbortController();

	const mailbox = openMailbox({
		connection,
		namespace,
		clock,
		bounds,
		counters,
		onFrame(frame) {
			const tell = running.get(key(frame.from, frame.call));
			tell?.(frame);
			return tell !== undefined;
		},
		onLost: tellAll,
	});
	const responder = createResponder({ namespace, mailbox, bounds, counters, onFault });
	const unary = createServeUnary({
		mailbox,
		responder,
		clock,
		bounds,
		counters,
		cut: cut.signal,
		register(request, tell) {
			const name = key(request.replyTo, request.call);
			running.set(name, tell);
			return () => running.delete(name);
		},
	});
	const requests = connection.channel({
		prefetch: concurrency,
		async setup(session) {
			await own?.(session.channel);
			await declareDeadLetters(session.channel, namespace, bounds);
			const queues = await Promise.all(
				services.map((service) => declareRequests(session.channel, namespace, service, bounds)),
			);
			if (closing) return;
			const gone = (queue: string) => () => session.reopen(new Error(`the queue ${queue} was deleted`));
			consumers = await Promise.all(queues.map((queue) => session.consume(queue, receive, gone(queue))));
			if (closing) await cancelConsumers(session.channel);
		},
	});
	const pipeline = createPipeline<Job>({
		rules: batches,
		batchOf: ({ request }) => request.path,
		process: (job) => unary(job).catch((error: unknown) => onFault(error, "serving a request over the broker failed")),
		after: clock.after,
	});

	function tellAll(): void {
		for (const tell of [...running.values()]) tell(undefined);
	}

	function receive(delivery: Delivery): void {
		const { properties, content, fields } = delivery.message;
		counters.requests++;
		if (fields.redelivered) counters.redelivered++;
		let request: Request;
		try {
			request = readRequest(properties, content, bounds);
			if (!isMailbox(namespace, request.replyTo))
				throw new UnreadableMessage("reply_to is no mailbox of this deployment");
		} catch (error) {
			if (!(error instanceof UnreadableMessage)) throw error;
			responder.setAside(delivery, error.message);
			return;
		}
		if (request.deadlineMs !== undefined) {
			const leftMs = request.deadlineMs - clock.now();
			if (leftMs <= 0) {
				counters.expired++;
				delivery.ack();
				return;
			}
			request.header.set(headerTimeout, String(Math.ceil(leftMs)));
		}
		const handler = handlers.get(request.path);
		if (handler === undefined)
			responder.refuse(delivery, request, new ConnectError(`${request.path} is not served`, Code.Unimplemented));
		else if (!handler.supportedContentType(request.header.get("content-type")))
			responder.setAside(delivery, `${request.path} is not served with this content type`);
		else if (handler.method.methodKind === "unary") pipeline.push({ delivery, request, handler });
		else stream({ delivery, request, handler }).catch((error: unknown) => onFault(error, "serving a stream failed"));
	}

	async function stream({ delivery, request, handler }: Job): Promise<void> {
		const name = key(request.replyTo, request.call);
		if (running.has(name)) {
			counters.repeated++;
			delivery.ack();
			return;
		}
		if (closing || streams >= bounds.streamsMax) {
			const why = closing ? "the server is closing" : `${bounds.streamsMax} streams are open`;
			const code = closing ? Code.Unavailable : Code.ResourceExhausted;
			return responder.refuse(delivery, request, new ConnectError(why, code));
		}
		counters.served++;
		streams++;
		try {
			await serveStream({
				request,
				handler,
				mailbox,
				bounds,
				onAccepted: () => delivery.ack(),
				onCallerGone() {
					counters.callerGone++;
					delivery.ack();
				},
				onNotAccepted: () => delivery.reject(true),
				onPeerLost: () => counters.streamsLost++,
				onFault,
				register: (tell) => running.set(name, tell),
			});
		} finally {
			streams--;
			running.delete(name);
		}
	}

	async function drain(): Promise<void> {
		const channel = requests.session?.channel;
		if (channel && !closing) await cancelConsumers(channel);
		closing = true;
		await pipeline.drain();
	}

	async function cancelConsumers(channel: ConfirmChannel): Promise<void> {
		await Promise.all(consumers.map((tag) => channel.cancel(tag))).catch(() => {
			// The channel has gone, and its consumers with it.
		});
	}

	await requests.ready();
	await mailbox.ready();
	const looked = [...services.map((service) => requestQueue(namespace, service)), deadLetterQueue(namespace)];
	const depths = openQueueDepths(connection, looked, clock);
	return {
		addresses: services.map((service) => `amqp:${namespace}/${service}`),
		counters,
		queueDepths: depths.read,
		async drain(graceMs) {
			await within(graceMs, clock, drain());
			closing = true;
		},
		async close(graceMs) {
			const graceOver = new AbortController();
			const drained = async () => {
				await drain();
				while (streams > 0 && !graceOver.signal.aborted)
					await clock.sleep(drainLookMs, graceOver.signal).catch(() => {});
			};
			await within(graceMs, clock, drained());
			graceOver.abort();
			closing = true;
			cut.abort();
			tellAll();
			await Promise.all([requests.close(), mailbox.close(), depths.close()]);
		},
	};
}

/** While a server closes, the end of its streams is looked for so often, ms. */
const drainLookMs = 10;

function key(mailbox: string | undefined, call: string): string {
	return `${mailbox} ${call}`;
}
