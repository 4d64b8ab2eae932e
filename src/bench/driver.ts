// Posts payments over many keep-alive connections, each with one request at a time, and notes what became of each.
import { Client, type Dispatcher } from "undici";
import { createFifo } from "../consumer/fifo.ts";
import type { Amounts } from "./amounts.ts";
import type { Ids } from "./ids.ts";
import type { Meter } from "./meter.ts";
import { type Outcomes, outcomeOfStatus } from "./outcomes.ts";

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
	close(): Promise<void>;
}

/** Posts that wait for a connection; beyond, they fail, instead of growing without end. */
const waitingMax = 100_000;
const idleConnectionMs = 60_000;

interface Post {
	readonly n: number;
	readonly intendedMs: number;
	/** When `post` was called: until it is sent from then on, it is for a connection that it waits. */
	readonly givenMs: number;
	readonly measured: boolean;
	readonly ended: ((accepted: boolean) => void) | undefined;
}

const timedOut = Object.assign(new Error("no answer in time"), { code: "time-out" });

export function createDriver(options: DriverOptions): Driver {
	const { url, timeoutMs, ids, amounts, outcomes, meter } = options;
	const { origin, pathname } = new URL(url);
	const path = `${pathname.replace(/\/$/, "")}/payments`;
	const clients: Client[] = [];
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

	function openConnection(): (post: Post) => void {
		const client = new Client(origin, {
			pipelining: 1,
			keepAliveTimeout: idleConnectionMs,
			headersTimeout: 0,
			bodyTimeout: 0,
			connect: { timeout: timeoutMs },
		});
		clients.push(client);
		let current: Post;
		let status = 0;
		let controller: Dispatcher.DispatchController | undefined;
		let late = false;
		let timer: ReturnType<typeof setTimeout>;
		const release = (): void => {
			clearTimeout(timer);
			controller = undefined;
			const next = waiting.shift();
			// The client is free only after the handler has returned.
			if (next) queueMicrotask(() => send(next));
			else free.push(send);
		};
		const request = { path, method: "POST" as const, headers: ["content-type", "application/json"] };
		const handler: Dispatcher.DispatchHandler = {
			onRequestStart(started) {
				controller = started;
				if (late) started.abort(timedOut);
			},
			onResponseStart(_controller, code) {
				status = code;
			},
			onResponseData() {
				// The body is free; only its end matters.
			},
			onResponseEnd() {
				const outcome = outcomeOfStatus(status);
				end(current, outcome, outcome === "accepted" ? undefined : `status ${status}`);
				release();
			},
			onResponseError(_controller, error) {
				end(current, "unclear", late ? "time-out" : nameOf(error));
				release();
			},
		};
		const giveUp = (): void => {
			late = true;
			controller?.abort(timedOut);
		};
		const send = (post: Post): void => {
			current = post;
			late = false;
			meter.sent(performance.now() - post.givenMs);
			timer = setTimeout(giveUp, timeoutMs);
			const body = `{"correlationId":"${ids.at(post.n)}","amount":${(amounts(post.n) / 100).toFixed(2)}}`;
			client.dispatch({ ...request, body }, handler);
		};
		return send;
	}

	return {
		connect(count) {
			for (let i = 0; i < count; i++) {
				const send = openConnection();
				const next = waiting.shift();
				if (next) send(next);
				else free.push(send);
			}
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
		async close() {
			await Promise.all(clients.map((client) => client.destroy()));
		},
	};
}

function nameOf(error: Error & { code?: unknown }): string {
	return typeof error.code === "string" ? error.code : error.name;
}
