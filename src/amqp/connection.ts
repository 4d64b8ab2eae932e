// A connection to the broker that comes back: to the next host, with growing pauses, with all its channels.
import { type ChannelModel, connect as connectTo } from "amqplib";
import { equalBackoffMs } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { type AmqpChannel, type ChannelOptions, type KeptChannel, keepChannel } from "./channel.ts";
import { type AmqpCounters, createAmqpCounters } from "./counters.ts";
import { inWords, refusedBy } from "./refused.ts";
import type { AmqpSettings } from "./settings.ts";
import { destroy, leaveOutUnreadable } from "./untyped.ts";
import { within } from "./within.ts";

export interface AmqpConnection {
	/** Opens a channel as soon as the broker is there, and again whenever it is lost, until it is closed. */
	channel(options: ChannelOptions): AmqpChannel;
	readonly counters: Readonly<AmqpCounters>;
	readonly connected: boolean;
	/** Resolves once there was a connection; rejects with a Refusal where the broker refuses us before there ever was. */
	ready(): Promise<void>;
	close(): Promise<void>;
}

export interface AmqpPorts {
	readonly clock: Clock;
	/** From 0 up to, but not including, 1. */
	readonly random: () => number;
	/** Told what went wrong with the broker, and that it is tried again. */
	readonly onFault: (error: Error, what: string) => void;
}

export interface AmqpBounds {
	/** How long opening a connection may take, ms. */
	readonly connectTimeoutMs: number;
	/** The pauses before the next attempt to connect, or to open a channel again: each up to twice the one before, ms. */
	readonly pauseMinMs: number;
	readonly pauseMaxMs: number;
	/** How long closing may take, ms. */
	readonly closeMs: number;
}

const amqpBounds: AmqpBounds = { connectTimeoutMs: 5_000, pauseMinMs: 50, pauseMaxMs: 2_000, closeMs: 2_000 };

/** `name` is shown in the broker's list of connections. It connects by itself, and goes on trying. */
export function connectAmqp(
	settings: AmqpSettings,
	name: string,
	{ clock, random, onFault }: AmqpPorts,
	bounds: AmqpBounds = amqpBounds,
): AmqpConnection {
	const counters = createAmqpCounters();
	const channels = new Set<KeptChannel>();
	let model: ChannelModel | undefined;
	let connects = 0;
	/** Since the last channel was opened. */
	let attempts = 0;
	let connectedBefore = false;
	let blocked = false;
	let closed = false;
	const pauses = new Set<() => void>();
	const first = Promise.withResolvers<void>();
	// Who does not ask for it is told by `onFault`.
	first.promise.catch(() => {});

	function pauseAfterMs(failures: number): number {
		return equalBackoffMs({ baseMs: bounds.pauseMinMs, maxMs: bounds.pauseMaxMs }, failures, random);
	}

	async function open(): Promise<void> {
		const host = settings.hosts[connects++ % settings.hosts.length]!;
		attempts++;
		const { protocol, hostname, port, username, password, vhost } = host;
		const { heartbeatS: heartbeat, frameMaxBytes: frameMax } = settings;
		let opened: ChannelModel;
		try {
			opened = await connectTo(
				{ protocol, hostname, port, username, password, vhost: encodeURIComponent(vhost), heartbeat, frameMax },
				{
					...settings.tls,
					noDelay: true,
					timeout: bounds.connectTimeoutMs,
					clientProperties: { connection_name: name },
				},
			);
		} catch (error) {
			const refusal = refusedBy(host, error as Error);
			if (refusal) first.reject(refusal);
			return again(refusal ?? inWords(host, error as Error), `no connection to the broker at ${hostname}:${port}`);
		}
		leaveOutUnreadable(opened);
		let cause: Error | undefined;
		opened.on("error", (error) => {
			cause ??= error;
		});
		opened.on("close", (error?: Error) => {
			if (model === opened) model = undefined;
			again(cause ?? error ?? new Error("closed by the broker"), "the connection to the broker was lost");
		});
		opened.on("blocked", (reason) => {
			onFault(new Error(reason), "the broker takes no messages for now");
			setBlocked(true);
		});
		opened.on("unblocked", () => setBlocked(false));
		if (closed) return destroy(opened);
		model = opened;
		first.resolve();
		if (connectedBefore) counters.reconnects++;
		connectedBefore = true;
		setBlocked(false);
		for (const channel of channels) openChannel(channel, 0);
	}

	function setBlocked(value: boolean): void {
		blocked = value;
		for (const channel of channels) channel.setBlocked(value);
	}

	function pause(ms: number, task: () => void): void {
		if (closed) return;
		const cancel = clock.after(ms, () => {
			pauses.delete(cancel);
			task();
		});
		pauses.add(cancel);
	}

	function again(error: Error, what: string): void {
		if (closed) return;
		onFault(error, what);
		pause(pauseAfterMs(attempts), () => void open());
	}

	function openChannel(channel: KeptChannel, failures: number): void {
		const on = model;
		if (on === undefined) return;
		channel.open(on).then(
			() => {
				attempts = 1;
			},
			(error: Error) => {
				// Where the connection went, all channels are opened with the next one.
				if (closed || model !== on) return;
				onFault(error, "a channel to the broker cannot be set up");
				pause(pauseAfterMs(failures), () => {
					if (model === on && channels.has(channel)) openChannel(channel, failures + 1);
				});
			},
		);
	}

	void open();
	return {
		counters,
		get connected() {
			return model !== undefined;
		},
		ready: () => first.promise,
		channel(options) {
			const channel = keepChannel(options, {
				counters,
				clock,
				reopen() {
					if (model === undefined) return;
					counters.channelsClosed++;
					pause(pauseAfterMs(0), () => openChannel(channel, 0));
				},
				onSlow: (cause) => onFault(cause, "a channel to the broker is not set up yet"),
			});
			channels.add(channel);
			channel.setBlocked(blocked);
			openChannel(channel, 0);
			return {
				publish: channel.publish,
				ready: channel.ready,
				room: channel.room,
				get session() {
					return channel.session;
				},
				close() {
					channels.delete(channel);
					return channel.close();
				},
			};
		},
		async close() {
			if (closed) return;
			closed = true;
			for (const cancel of pauses) cancel();
			pauses.clear();
			const end = async () => {
				await Promise.all([...channels].map((channel) => channel.close()));
				await model?.close();
			};
			await within(
				bounds.closeMs,
				clock,
				end().catch((error) => onFault(error, "closing the connection to the broker failed")),
			);
			// One that takes no messages does not answer to its closing either.
			if (model) destroy(model);
		},
	};
}
