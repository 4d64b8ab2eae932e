// Runs the hot paths before the service is ready, so that its first callers do not wait for cold code.
//
// Payments go through a scratch store of the same kind, the service and the carrier, from acceptance to the books. Cold,
// the first seconds cost two to three times the CPU of later ones.
import { randomUUID } from "node:crypto";
import { createClient, type Transport } from "@connectrpc/connect";
import type { Clock } from "../clock.ts";
import { Processor } from "../gen/payrelay/v1/payment_pb.ts";
import { type DequeueBatchResponse, type Job, QueueService } from "../gen/payrelay/v1/queue_service_pb.ts";
import { Proof, StatsService } from "../gen/payrelay/v1/stats_service_pb.ts";
import type { WarmUpBounds } from "../warm-up-bounds.ts";

/** Payments in one batch: about what one commit carries under load. */
const batchSize = 16;

/**
 * A fast machine stops at the payments: enough for the runtime's second compiler. Where callers wait for a restart, it is
 * to take well below a second, and cold code is the lesser evil.
 */
export const warmUpBounds = {
	hasty: { ms: 120, payments: 8192 },
	thorough: { ms: 5_000, payments: 8192 },
} satisfies Record<string, WarmUpBounds>;

/** Runs payments through the service behind `transport`; resolves to how many were settled. */
export async function warmUp(transport: Transport, clock: Clock, bounds: WarmUpBounds): Promise<number> {
	const queue = createClient(QueueService, transport);
	const stats = createClient(StatsService, transport);
	const untilMs = clock.monotonic() + bounds.ms;
	const done = new AbortController();
	const enqueue = exchange(queue.enqueueStream.bind(queue));
	const pin = exchange(queue.pinStream.bind(queue));
	const settle = exchange(stats.insertStatsStream.bind(stats));
	let settled = 0;

	async function post(batch: number): Promise<void> {
		const payments = Array.from({ length: batchSize }, () => ({ id: randomUUID(), amountCents: 1990n }));
		await enqueue.ask({ batch, payments });
	}

	async function charge(batch: number, jobs: readonly Job[]): Promise<void> {
		const pins = jobs.map(({ id, token, epoch }) => ({ id, token, epoch, processor: Processor.DEFAULT }));
		const pinned = await pin.ask({ batch, pins });
		const settlements = jobs.map(({ id, epoch, amountCents }, i) => ({
			id,
			epoch,
			proof: Proof.CHARGED,
			charge: { processor: Processor.DEFAULT, amountCents, requestedAtUs: pinned.pins[i]!.requestedAtUs },
		}));
		// The next batch comes while this one settles, and both ride on one commit.
		await Promise.all([settle.ask({ batch, settlements }), post(batch + 1)]);
		await stats.summary({});
		settled += jobs.length;
	}

	const credit = { sessionId: "warm-up", credit: batchSize, pursuitCredit: batchSize };
	let responses: AsyncIterator<DequeueBatchResponse> | undefined;
	let batch = 1;
	await post(batch);
	while (settled < bounds.payments && clock.monotonic() < untilMs) {
		responses ??= queue.dequeueBatch(credit, { signal: done.signal })[Symbol.asyncIterator]();
		const given = await responses.next();
		if (given.done) break;
		if (given.value.jobs.length > 0) await charge(batch++, given.value.jobs);
	}
	for (const stream of [enqueue, pin, settle]) stream.end();
	done.abort();
	return settled;
}

/** One request after the other on a stream, each with its answer. */
function exchange<Request, Response>(open: (requests: AsyncIterable<Request>) => AsyncIterable<Response>) {
	const waiting: Request[] = [];
	let ended = false;
	let resume = () => {};
	async function* requests(): AsyncGenerator<Request> {
		for (;;) {
			const next = waiting.shift();
			if (next !== undefined) yield next;
			else if (ended) return;
			else
				await new Promise<void>((resolve) => {
					resume = resolve;
				});
		}
	}
	/** Opened by the first request: a stream that ends before anybody reads it fails where nobody hears. */
	let answers: AsyncIterator<Response> | undefined;
	return {
		async ask(request: Request): Promise<Response> {
			waiting.push(request);
			resume();
			answers ??= open(requests())[Symbol.asyncIterator]();
			const answer = await answers.next();
			if (answer.done) throw new Error("the stream ended without an answer");
			return answer.value;
		},
		end(): void {
			ended = true;
			resume();
		},
	};
}
