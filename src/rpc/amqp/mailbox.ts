// The queue of one process at the broker, to which its answers and the frames of its streams come; and the way out for frames.
import type { AmqpChannel, ChannelSession } from "../../amqp/channel.ts";
import type { AmqpConnection } from "../../amqp/connection.ts";
import { type Publication, PublishError } from "../../amqp/message.ts";
import type { Clock } from "../../clock.ts";
import type { AmqpRpcBounds } from "./bounds.ts";
import type { AmqpRpcCounters } from "./counters.ts";
import { type Frame, frameProperties, type ReceivedFrame, readFrame, UnreadableMessage } from "./frame.ts";
import { isMailbox, newMailbox } from "./names.ts";

export interface Mailbox {
	/** There while the broker is: another name after each loss. */
	readonly name: string | undefined;
	/** Resolves once there is one. */
	ready(signal?: AbortSignal): Promise<void>;
	/** Resolves when the other mailbox has it; rejects with a PublishError. */
	post(to: string, frame: Frame, signal?: AbortSignal): Promise<void>;
	publish(publication: Publication, signal?: AbortSignal): Promise<void>;
	/** See AmqpChannel. */
	room(signal?: AbortSignal): Promise<void> | undefined;
	/** Looks whether the other mailbox is still there, again and again until the returned function is called. */
	watch(peer: string, onGone: () => void): () => void;
	close(): Promise<void>;
}

export interface MailboxOptions {
	readonly connection: AmqpConnection;
	readonly namespace: string;
	readonly clock: Clock;
	readonly bounds: AmqpRpcBounds;
	readonly counters: AmqpRpcCounters;
	/** False: no call takes it. */
	readonly onFrame: (frame: ReceivedFrame) => boolean;
	/** What came to the mailbox before, and has not been heard, never will be: streams end with it, and with their watches. */
	readonly onLost: (cause: Error) => void;
}

interface Peer {
	readonly onGone: Set<() => void>;
	lastSentMs: number;
	asked: boolean;
}

export function openMailbox(options: MailboxOptions): Mailbox {
	const { connection, namespace, clock, bounds, counters, onFrame, onLost } = options;
	const peers = new Map<string, Peer>();
	let name: string | undefined;
	/** What the mailbox belongs to: the broker removes it with its connection. */
	let owner: unknown;
	let numbered = 0;
	let cancelPings: (() => void) | undefined;

	const channel: AmqpChannel = connection.channel({
		// Read without acknowledgements: what is under way is bounded by the calls that are open, and by their windows.
		prefetch: 1,
		async setup(session) {
			const { connection } = session.channel as unknown as { readonly connection: unknown };
			const former = owner === connection ? name : undefined;
			const queue = newMailbox(namespace);
			await session.channel.assertQueue(queue, { exclusive: true, durable: false, autoDelete: true });
			// After the loss of the channel alone the former one is still there.
			if (former !== undefined) await session.channel.deleteQueue(former);
			await session.consume(queue, receive, () => session.reopen(new Error("the mailbox was deleted")), {
				noAck: true,
			});
			name = queue;
			owner = connection;
		},
		onLost,
	});

	function receive({ message }: Parameters<Parameters<ChannelSession["consume"]>[1]>[0]): void {
		let frame: ReceivedFrame;
		try {
			frame = readFrame(message.properties, message.content, bounds);
			if (frame.from !== undefined && !isMailbox(namespace, frame.from))
				throw new UnreadableMessage("no mailbox of this deployment");
		} catch (error) {
			if (!(error instanceof UnreadableMessage)) throw error;
			counters.malformed++;
			return;
		}
		if (frame.kind === "ping" || onFrame(frame)) counters.frames++;
		else counters.late++;
	}

	function gone(name: string): void {
		const peer = peers.get(name);
		peers.delete(name);
		for (const tell of peer?.onGone ?? []) tell();
	}

	async function publish(publication: Publication, signal?: AbortSignal): Promise<void> {
		await channel.publish(publication, signal);
	}

	async function post(to: string, frame: Frame, signal?: AbortSignal): Promise<void> {
		const peer = peers.get(to);
		if (peer) peer.lastSentMs = clock.monotonic();
		await channel.publish(
			{
				exchange: "",
				routingKey: to,
				body: frame.body ?? nothing,
				messageId: String(++numbered),
				properties: frameProperties(frame, name),
			},
			signal,
		);
	}

	function ping(): void {
		const nowMs = clock.monotonic();
		for (const [name, peer] of peers) {
			if (peer.asked || nowMs - peer.lastSentMs < bounds.pingMs) continue;
			peer.asked = true;
			post(name, { kind: "ping", call: "ping" }).then(
				() => {
					peer.asked = false;
				},
				(error: unknown) => {
					peer.asked = false;
					if (error instanceof PublishError && error.failure === "unroutable") gone(name);
				},
			);
		}
		cancelPings = peers.size > 0 ? clock.after(bounds.pingMs, ping) : undefined;
	}

	return {
		get name() {
			return channel.session === undefined ? undefined : name;
		},
		ready: channel.ready,
		room: channel.room,
		post,
		publish,
		watch(peer, onGone) {
			const known = peers.get(peer) ?? { onGone: new Set(), lastSentMs: clock.monotonic(), asked: false };
			peers.set(peer, known);
			known.onGone.add(onGone);
			cancelPings ??= clock.after(bounds.pingMs, ping);
			return () => {
				known.onGone.delete(onGone);
				if (known.onGone.size === 0 && peers.get(peer) === known) peers.delete(peer);
			};
		},
		async close() {
			cancelPings?.();
			peers.clear();
			await channel.close();
		},
	};
}

const nothing = new Uint8Array();
