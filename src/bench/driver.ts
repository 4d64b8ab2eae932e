// Posts payments over many keep-alive connections, each with one request at a time, and notes what became of each.
import { setTimeout } from "node:timers";
import { createFifo } from "../fifo.ts";
import type { Amounts } from "./amounts.ts";
import type { Ids } from "./ids.ts";
import type { Meter } from "./meter.ts";
import { type Outcomes, outcomeOfStatus } from "./outcomes.ts";
import { openPostConnection, type PostConnection } from "./post-connection.ts";

export interface DriverOptions {
	readonly url: string;
	readonly timeoutMs: number;
	readonly ids: Ids;
	readonly amounts: Amounts;
	readonly outcomes: Outcomes;
	readonly meter: Meter;
}

export interface Driver {
	/** Opens so many connections more. They are used in turn. */
	connect(count: number): void;
	/**
	 * Sends the next payment, over the connection that has been idle longest, or as soon as one is idle. Its latency
	 * counts from `intendedMs` (of `performance.now()`). `ended` is called whatever came of it.
	 */
	post(intendedMs: number, measured: boolean, ended?: (accepted: boolean) => void): void;
	/** Posts that have no answer yet, waiting ones included. */
	open(): number;
	/** Resolves when every post has ended, which the time-out bounds. */
	idle(): Promise<void>;
	/** Posts that have no answer yet fail. */
	close(): void;
}

/** Posts that wait for a connection; beyond, they fail, instead of growing without end. */
const waitingMax = 100_000;

interface Post {
	readonly n: number;
	readonly intendedMs: number;
	/** When `post` was called: until it is sent from then on, it is for a connection that it waits. */
	readonly givenMs: number;
	readonly measured: boolean;
	readonly ended: ((accepted: boolean) => void) | undefined;
}

export function createDriver(options: DriverOptions): Driver {
	const { url, timeoutMs, ids, amounts, outcomes, meter } = options;
	const payments = new URL(`${url.replace(/\/$/, "")}/payments`);
	const connections: { readonly connection: PostConnection; readonly timer: NodeJS.Timeout }[] = [];
	const free = createFifo<(post: Post) => void>();
	const waiting = createFifo<Post>();
	let open = 0;
	let whenIdle: (() => void) | undefined;

	function end(post: Post, outcome: "accepted" | "refused" | "unclear", failure: string | undefined): void {
		outcomes.end(post.n, outcome);
		if (failure === undefined) meter.accepted(performance.now() - post.intendedMs, post.measured);
		else meter.failed(failure);
		open--;
		post.ended?.(failure === undefined);
		if (open === 0) whenIdle?.();
	}

	function release(send: (post: Post) => void): void {
		const next = waiting.shift();
		if (next) send(next);
		else free.push(send);
	}

	function openConnection(): (post: Post) => void {
		let current: Post | undefined;
		const ended = (outcome: "accepted" | "refused" | "unclear", failure?: string): void => {
			const post = current!;
			current = undefined;
			end(post, outcome, failure);
			release(send);
		};
		const connection = openPostConnection(payments, {
			answered(status) {
				const outcome = outcomeOfStatus(status);
				ended(outcome, outcome === "accepted" ? undefined : `status ${status}`);
			},
			broken: (why) => ended("unclear", why),
		});
		// One timer for all posts of this connection: begun anew with each, and of no meaning between them.
		const timer = setTimeout(() => {
			if (current) connection.cut("time-out");
		}, timeoutMs);
		connections.push({ connection, timer });
		const send = (post: Post): void => {
			current = post;
			meter.sent(performance.now() - post.givenMs);
			timer.refresh();
			connection.send(`{"correlationId":"${ids.at(post.n)}","amount":${(amounts(post.n) / 100).toFixed(2)}}`);
		};
		return send;
	}

	return {
		connect(count) {
			for (let i = 0; i < count; i++) release(openConnection());
		},
		post(intendedMs, measured, ended) {
			const givenMs = performance.now();
			const post: Post = { n: outcomes.begin(), intendedMs, givenMs, measured, ended };
			meter.due(givenMs - intendedMs);
			open++;
			const send = free.shift();
			if (send) send(post);
			else if (waiting.size < waitingMax) waiting.push(post);
			else end(post, "refused", "no connection free, not sent");
		},
		open: () => open,
		async idle() {
			if (open > 0)
				await new Promise<void>((resolve) => {
					whenIdle = resolve;
				});
		},
		close() {
			for (let post = waiting.shift(); post; post = waiting.shift())
				end(post, "refused", "the load has ended, not sent");
			for (const { connection, timer } of connections) {
				clearTimeout(timer);
				connection.cut("ended");
			}
		},
	};
}
