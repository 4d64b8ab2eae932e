// Open-loop load: posts payments at a rate whatever the answers, and remembers what each was told.
import { randomInt, randomUUID } from "node:crypto";
import { setTimeout as sleepMs } from "node:timers/promises";
import { Agent, request } from "undici";
import { within } from "./until.ts";

/**
 * `acknowledged`: a 2XX. `refused`: an answer that says that nothing was stored. `unclear`: any other end, after which
 * the payment may be stored or not.
 */
export type Told = "waiting" | "acknowledged" | "refused" | "unclear";

export interface Posted {
	readonly id: string;
	readonly cents: number;
	readonly postedAtMs: number;
	told: Told;
	status?: number;
	retryAfter?: string;
	answeredAtMs?: number;
	error?: unknown;
}

export interface Load {
	readonly posted: readonly Posted[];
	/**
	 * Resolves with the first payment posted after `ms` (of `performance.now()`) that is acknowledged; rejects where none
	 * is for so long that the relay must be taken for gone.
	 */
	firstAcknowledged(ms: number): Promise<Posted>;
	/** Stops posting and waits for the answers that are due. */
	stop(): Promise<readonly Posted[]>;
}

const connectionsMax = 256;
/** A post that is not answered by then is unclear, unless a test says otherwise, ms. */
const answerMaxMs = 4_000;
/** Posts that may wait for their answers at once; beyond, the rate is not kept. */
const openMax = 20_000;
/** Far beyond what any restart or stop takes, ms. */
const acknowledgedMaxMs = 15_000;
const amountMaxCents = 100_000;
const tickMs = 4;

export function startLoad(url: string, ratePerS: number, waitMaxMs = answerMaxMs): Load {
	const dispatcher = createDispatcher();
	const posted: Posted[] = [];
	const open = new Set<Promise<void>>();
	let watchers: { afterMs: number; resolve: (payment: Posted) => void }[] = [];
	const stopping = new AbortController();

	const send = (): void => {
		const payment = newPayment();
		posted.push(payment);
		const done = post(url, payment, dispatcher, waitMaxMs).then(() => {
			open.delete(done);
			if (payment.told !== "acknowledged") return;
			for (const { afterMs, resolve } of watchers) if (payment.postedAtMs > afterMs) resolve(payment);
			watchers = watchers.filter(({ afterMs }) => payment.postedAtMs <= afterMs);
		});
		open.add(done);
	};

	const run = async (): Promise<void> => {
		const startedMs = performance.now();
		while (!stopping.signal.aborted) {
			const due = Math.floor(((performance.now() - startedMs) / 1000) * ratePerS);
			while (posted.length < due && open.size < openMax) send();
			await sleepMs(tickMs);
		}
	};
	const running = run();

	return {
		posted,
		firstAcknowledged(afterMs) {
			const first = new Promise<Posted>((resolve) => watchers.push({ afterMs, resolve }));
			const boundMs = Math.max(0, afterMs - performance.now()) + acknowledgedMaxMs;
			return within("an acknowledgement", boundMs, first);
		},
		async stop() {
			stopping.abort();
			await running;
			await Promise.all(open);
			await dispatcher.destroy();
			return posted;
		},
	};
}

/** Posts so many as fast as `concurrency` callers can, each of which waits for its answers. */
export async function postAll(url: string, count: number, concurrency = 64): Promise<Posted[]> {
	const dispatcher = createDispatcher();
	const posted: Posted[] = [];
	const caller = async (): Promise<void> => {
		while (posted.length < count) {
			const payment = newPayment();
			posted.push(payment);
			await post(url, payment, dispatcher);
		}
	};
	await Promise.all(Array.from({ length: concurrency }, caller));
	await dispatcher.destroy();
	return posted;
}

export function newPayment(): Posted {
	return {
		id: randomUUID(),
		cents: randomInt(1, amountMaxCents),
		postedAtMs: performance.now(),
		told: "waiting",
	};
}

/** Never rejects: what went wrong is in the payment. */
export async function post(url: string, payment: Posted, dispatcher?: Agent, waitMaxMs = answerMaxMs): Promise<void> {
	const amount = (payment.cents / 100).toFixed(2);
	try {
		const answer = await request(`${url}/payments`, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: `{"correlationId":"${payment.id}","amount":${amount}}`,
			headersTimeout: waitMaxMs,
			bodyTimeout: waitMaxMs,
			...(dispatcher && { dispatcher }),
		});
		payment.status = answer.statusCode;
		const retryAfter = answer.headers["retry-after"];
		if (typeof retryAfter === "string") payment.retryAfter = retryAfter;
		payment.told = tell(answer.statusCode);
		await answer.body.dump();
	} catch (error) {
		payment.error = error;
		// A 2XX whose body was cut is an acknowledgement all the same: the caller has seen it.
		if (payment.told === "waiting") payment.told = "unclear";
	}
	payment.answeredAtMs = performance.now();
}

function tell(status: number): Told {
	if (status >= 200 && status < 300) return "acknowledged";
	return status === 429 || (status >= 400 && status < 500) ? "refused" : "unclear";
}

function createDispatcher(): Agent {
	return new Agent({ connections: connectionsMax, pipelining: 1, connect: { timeout: answerMaxMs } });
}

/** How many were told what, for a test's own line. */
export function tally(posted: readonly Posted[]): string {
	const counts = new Map<string, number>();
	for (const { told, status, error } of posted) {
		const code = (error as NodeJS.ErrnoException | undefined)?.code ?? (error ? String(error) : "");
		const key = `${told} ${status ?? code}`;
		counts.set(key, (counts.get(key) ?? 0) + 1);
	}
	const parts = [...counts].toSorted(([, a], [, b]) => b - a).map(([key, count]) => `${count} ${key}`);
	return `${posted.length} posted: ${parts.join(", ")}`;
}
